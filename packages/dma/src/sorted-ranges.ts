/** What has a place in an order: from `start` on, up to but not including `end`. */
export interface PlacedRange<P extends bigint | number> {
  readonly start: P;
  readonly end: P;
}

/** As many as a chunk may have: moving half a page of pointers costs less than finding the place. */
const FULL = 256;

/** A part of the order; never empty. */
interface Chunk<R> {
  readonly ranges: R[];
  /** No range of it is longer. It may be less true than it could be: a search in vain sets it right. */
  longest: number;
}

/**
 * Ranges in ascending order, none of which has a part of another. They lie in chunks, so that what is done with one of
 * many thousands moves and looks at no more than with one of a few hundred.
 */
export class SortedRanges<P extends bigint | number, R extends PlacedRange<P> = PlacedRange<P>> {
  readonly #chunks: Chunk<R>[] = [];

  /** All of them. */
  get all(): R[] {
    return this.#chunks.flatMap(({ ranges }) => ranges);
  }

  /** Those that have a part of what lies from `start` up to `end`. */
  overlapping(start: P, end: P): R[] {
    const found: R[] = [];
    let index: number | undefined;
    for (let at = this.#chunkReaching(start); at < this.#chunks.length; at++) {
      const ranges = this.#chunks[at]?.ranges ?? [];
      for (index ??= firstReaching(ranges, start); index < ranges.length; index++) {
        const range = ranges[index];
        if (range === undefined || range.start >= end) return found;
        found.push(range);
      }
      index = 0;
    }
    return found;
  }

  /**
   * What is made of the first range, from below, of which it can be made.
   * @param bytes what is shorter is not tried.
   * @param make may take the range out, or replace it, if it returns something.
   */
  firstFit<T>(bytes: P, make: (range: R) => T | undefined): T | undefined {
    const wanted = Number(bytes);
    for (const chunk of this.#chunks) {
      if (chunk.longest < wanted) continue;
      let longest = 0;
      for (const range of chunk.ranges) {
        const made = lengthOf(range) < wanted ? undefined : make(range);
        if (made !== undefined) return made;
        longest = Math.max(longest, lengthOf(range));
      }
      chunk.longest = longest;
    }
    return undefined;
  }

  /** @param range has no part of another. */
  add(range: R): void {
    const at = Math.min(this.#chunkReaching(range.start), this.#chunks.length - 1);
    const chunk = this.#chunks[at];
    if (chunk === undefined) this.#chunks.push({ ranges: [range], longest: lengthOf(range) });
    else this.#put(at, chunk, firstReaching(chunk.ranges, range.start), 0, [range]);
  }

  /** Takes one of them out, or puts others in its place: within it, or where else no other has a part. */
  replace(range: R, others: readonly R[] = []): void {
    const at = this.#chunkReaching(range.start);
    const chunk = this.#chunks[at];
    if (chunk !== undefined) this.#put(at, chunk, firstReaching(chunk.ranges, range.start), 1, others);
  }

  #put(at: number, chunk: Chunk<R>, index: number, removed: number, added: readonly R[]): void {
    const { ranges } = chunk;
    const [only] = added;
    if (removed === 1 && added.length === 1 && only !== undefined) ranges[index] = only;
    else ranges.splice(index, removed, ...added);
    for (const each of added) chunk.longest = Math.max(chunk.longest, lengthOf(each));
    if (ranges.length === 0) this.#chunks.splice(at, 1);
    if (ranges.length > FULL) this.#split(at, chunk);
  }

  #split(at: number, { ranges, longest }: Chunk<R>): void {
    // What is added in ascending order, as most is, leaves full chunks behind.
    const isLast = at === this.#chunks.length - 1;
    const behind = ranges.splice(isLast ? FULL : FULL / 2);
    this.#chunks.splice(at + 1, 0, { ranges: behind, longest });
  }

  /** The number of the first chunk with a range that ends behind an address. */
  #chunkReaching(address: P): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#chunks[middle]?.ranges.at(-1);
      if (last !== undefined && last.end <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What of a range lies below `start` and from `end` on. */
export function outside(range: PlacedRange<bigint>, start: bigint, end: bigint): PlacedRange<bigint>[] {
  const left: PlacedRange<bigint>[] = [];
  if (range.start < start) left.push({ start: range.start, end: start });
  if (range.end > end) left.push({ start: end, end: range.end });
  return left;
}

/** The index of the first range that ends behind an address. */
function firstReaching<P extends bigint | number>(ranges: readonly PlacedRange<P>[], address: P): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle];
    if (range !== undefined && range.end <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rounded, as a double is: enough to tell what cannot fit, since rounding keeps the order. */
function lengthOf({ start, end }: PlacedRange<bigint | number>): number {
  const areBigInts = typeof start === "bigint" && typeof end === "bigint";
  return areBigInts ? Number(end - start) : Number(end) - Number(start);
}

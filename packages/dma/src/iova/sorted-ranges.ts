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
  /** Where each ends, as a double: what is read in a bisection lies in one place, and makes no garbage. */
  readonly ends: number[];
  /** No range of it is longer. It may be less true than it could be: a search in vain sets it right. */
  longest: number;
}

/**
 * Ranges in ascending order, none of which has a part of another. They lie in chunks, so that what is done with one of
 * many thousands moves and looks at no more than with one of a few hundred.
 */
export class SortedRanges<P extends bigint | number, R extends PlacedRange<P> = PlacedRange<P>> {
  readonly #chunks: Chunk<R>[] = [];
  /** Where the last range of each chunk ends. */
  readonly #ends: number[] = [];

  /** All of them. */
  get all(): R[] {
    return this.#chunks.flatMap(({ ranges }) => ranges);
  }

  /** Those that have a part of what lies from `start` up to `end`. */
  overlapping(start: P, end: P): R[] {
    const found: R[] = [];
    let at = this.#chunkReaching(start);
    let chunk = this.#chunks[at];
    let index = chunk === undefined ? 0 : firstReaching(chunk, start);
    while (chunk !== undefined) {
      for (; index < chunk.ranges.length; index++) {
        const range = chunk.ranges[index];
        if (range === undefined || range.start >= end) return found;
        found.push(range);
      }
      chunk = this.#chunks[++at];
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
        const length = lengthOf(range);
        const made = length < wanted ? undefined : make(range);
        if (made !== undefined) return made;
        if (length > longest) longest = length;
      }
      chunk.longest = longest;
    }
    return undefined;
  }

  /** @param range has no part of another. */
  add(range: R): void {
    const at = Math.min(this.#chunkReaching(range.start), this.#chunks.length - 1);
    const chunk = this.#chunks[at];
    if (chunk === undefined)
      this.#insert(0, { ranges: [range], ends: [Number(range.end)], longest: lengthOf(range) });
    else this.#put(at, chunk, firstReaching(chunk, range.start), 0, [range]);
  }

  /** Takes one of them out, or puts others in its place: within it, or where else no other has a part. */
  replace(range: R, others: readonly R[] = []): void {
    const at = this.#chunkReaching(range.start);
    const chunk = this.#chunks[at];
    if (chunk !== undefined) this.#put(at, chunk, firstReaching(chunk, range.start), 1, others);
  }

  #put(at: number, chunk: Chunk<R>, index: number, removed: number, added: readonly R[]): void {
    const { ranges, ends } = chunk;
    const [only] = added;
    if (removed === added.length && only !== undefined) {
      ranges[index] = only;
      ends[index] = Number(only.end);
    } else {
      ranges.splice(index, removed, ...added);
      ends.splice(index, removed, ...added.map(({ end }) => Number(end)));
    }
    for (const each of added) chunk.longest = Math.max(chunk.longest, lengthOf(each));
    if (ranges.length > FULL) this.#split(at, chunk);
    else if (ranges.length > 0) this.#ends[at] = ends.at(-1) ?? 0;
    else this.#remove(at);
  }

  #split(at: number, { ranges, ends, longest }: Chunk<R>): void {
    // What is added in ascending order, as most is, leaves full chunks behind.
    const kept = at === this.#chunks.length - 1 ? FULL : FULL / 2;
    this.#insert(at + 1, { ranges: ranges.splice(kept), ends: ends.splice(kept), longest });
    this.#ends[at] = ends.at(-1) ?? 0;
  }

  #insert(at: number, chunk: Chunk<R>): void {
    this.#chunks.splice(at, 0, chunk);
    this.#ends.splice(at, 0, chunk.ends.at(-1) ?? 0);
  }

  #remove(at: number): void {
    this.#chunks.splice(at, 1);
    this.#ends.splice(at, 1);
  }

  /** The number of the first chunk with a range that ends behind an address. */
  #chunkReaching(address: P): number {
    let at = firstFrom(this.#ends, Number(address));
    while ((this.#chunks[at]?.ranges.at(-1)?.end ?? Infinity) <= address) at++;
    return at;
  }
}

/** The index of the first range that ends behind an address. */
function firstReaching<P extends bigint | number>(
  { ranges, ends }: Chunk<PlacedRange<P>>,
  address: P,
): number {
  let index = firstFrom(ends, Number(address));
  while ((ranges[index]?.end ?? Infinity) <= address) index++;
  return index;
}

/** The index of the first of some ascending numbers that is not below another. Doubles keep the order, but for what is equal in them. */
function firstFrom(ascending: readonly number[], wanted: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What of a range lies below `start` and from `end` on. */
export function outside(range: PlacedRange<bigint>, start: bigint, end: bigint): PlacedRange<bigint>[] {
  const left: PlacedRange<bigint>[] = [];
  if (range.start < start) left.push({ start: range.start, end: start });
  if (range.end > end) left.push({ start: end, end: range.end });
  return left;
}

/** Rounded, as a double is: enough to tell what cannot fit, since rounding keeps the order. */
function lengthOf({ start, end }: PlacedRange<bigint | number>): number {
  const areBigInts = typeof start === "bigint" && typeof end === "bigint";
  return areBigInts ? Number(end - start) : Number(end) - Number(start);
}

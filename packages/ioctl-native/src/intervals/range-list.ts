import { firstFrom } from "./bisect.js";
import type { IovaRange } from "./range.js";

/** The largest block: moving half a page of pointers costs less than finding the place. */
const FULL = 256;

/** Some of the ranges, in order; never empty. */
class Block<R extends IovaRange> {
  readonly ranges: R[];
  /** An upper bound of the lengths; a search in vain tightens it. */
  longest = 0;
  /** The end of each, as a double: bisection reads one piece of memory, and makes no garbage. */
  #ends: Float64Array;

  constructor(ranges: R[], longest: number) {
    this.ranges = ranges;
    this.longest = longest;
    this.#ends = Float64Array.from(ranges, ({ end }) => Number(end));
  }

  get lastEnd(): number {
    return this.#ends[this.ranges.length - 1] ?? 0;
  }

  firstReaching(address: bigint): number {
    const { ranges } = this;
    let index = firstFrom(this.#ends, ranges.length, Number(address));
    while ((ranges[index]?.end ?? address) < address) index++;
    return index;
  }

  splice(index: number, removed: number, added: readonly R[]): void {
    const { ranges } = this;
    const before = ranges.length;
    const [only] = added;
    if (removed === added.length && only !== undefined) ranges[index] = only;
    else ranges.splice(index, removed, ...added);
    if (ranges.length > this.#ends.length) this.#grow(ranges.length);
    if (removed !== added.length) this.#ends.copyWithin(index + added.length, index + removed, before);
    for (const range of added) {
      this.#ends[index++] = Number(range.end);
      this.longest = Math.max(this.longest, gapOf(range));
    }
  }

  /** Keeps the first `count` ranges; moves the others into a new block. */
  splitAt(count: number): Block<R> {
    return new Block(this.ranges.splice(count), this.longest);
  }

  #grow(count: number): void {
    const ends = new Float64Array(Math.max(count, Math.min(2 * count, FULL + 1)));
    ends.set(this.#ends);
    this.#ends = ends;
  }
}

/**
 * Ranges in ascending order that do not overlap. They lie in blocks, so that a change among many thousands costs no
 * more than among a few hundred.
 */
export class RangeList<R extends IovaRange = IovaRange> {
  readonly #blocks: Block<R>[] = [];
  #ends = new Float64Array();

  get all(): R[] {
    return this.#blocks.flatMap(({ ranges }) => ranges);
  }

  at(address: bigint): R | undefined {
    const block = this.#blocks[this.#blockReaching(address)];
    const range = block?.ranges[block.firstReaching(address)];
    return range !== undefined && range.start <= address ? range : undefined;
  }

  firstIn({ start, end }: IovaRange): R | undefined {
    const block = this.#blocks[this.#blockReaching(start)];
    const range = block?.ranges[block.firstReaching(start)];
    return range !== undefined && range.start <= end ? range : undefined;
  }

  overlapping({ start, end }: IovaRange): R[] {
    const found: R[] = [];
    let at = this.#blockReaching(start);
    let block = this.#blocks[at];
    let index = block?.firstReaching(start) ?? 0;
    while (block !== undefined) {
      for (; index < block.ranges.length; index++) {
        const range = block.ranges[index];
        if (range === undefined || range.start > end) return found;
        found.push(range);
      }
      block = this.#blocks[++at];
      index = 0;
    }
    return found;
  }

  /**
   * Tries `make` on each range in ascending order, and returns the first result.
   * @param bytes shorter ranges are not tried.
   * @param make may remove or replace the range if it returns something.
   */
  firstFit<T>(bytes: bigint, make: (range: R) => T | undefined): T | undefined {
    const wanted = Number(bytes - 1n);
    for (const block of this.#blocks) {
      if (block.longest < wanted) continue;
      let longest = 0;
      for (const range of block.ranges) {
        const gap = gapOf(range);
        const made = gap < wanted ? undefined : make(range);
        if (made !== undefined) return made;
        if (gap > longest) longest = gap;
      }
      block.longest = longest;
    }
    return undefined;
  }

  /** @param range overlaps no other. */
  add(range: R): void {
    const at = Math.min(this.#blockReaching(range.start), this.#blocks.length - 1);
    const block = this.#blocks[at];
    if (block !== undefined) return this.#put(at, block, block.firstReaching(range.start), 0, [range]);
    this.#blocks.push(new Block([range], gapOf(range)));
    this.#noteEnds();
  }

  /** Removes a range, or puts others in its place that overlap none of the rest. */
  replace(range: R, others: readonly R[] = []): void {
    const at = this.#blockReaching(range.start);
    const block = this.#blocks[at];
    if (block !== undefined) this.#put(at, block, block.firstReaching(range.start), 1, others);
  }

  #put(at: number, block: Block<R>, index: number, removed: number, added: readonly R[]): void {
    block.splice(index, removed, added);
    const count = block.ranges.length;
    if (count > 0 && count <= FULL) {
      this.#ends[at] = block.lastEnd;
      return;
    }
    // Ranges added in ascending order, as most are, leave full blocks behind.
    const kept = at === this.#blocks.length - 1 ? FULL : FULL / 2;
    if (count > 0) this.#blocks.splice(at + 1, 0, block.splitAt(kept));
    else this.#blocks.splice(at, 1);
    this.#noteEnds();
  }

  #noteEnds(): void {
    this.#ends = Float64Array.from(this.#blocks, ({ lastEnd }) => lastEnd);
  }

  /** The index of the first block with a range that does not end below an address. */
  #blockReaching(address: bigint): number {
    const blocks = this.#blocks;
    let at = firstFrom(this.#ends, blocks.length, Number(address));
    while ((blocks[at]?.ranges.at(-1)?.end ?? address) < address) at++;
    return at;
  }
}

/**
 * The distance from start to end, rounded as a double is: enough to rule out what cannot fit, as rounding keeps the
 * order.
 */
function gapOf({ start, end }: IovaRange): number {
  return Number(end - start);
}

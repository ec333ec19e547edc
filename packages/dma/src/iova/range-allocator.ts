import { outside, SortedRanges } from "./sorted-ranges.js";

/** A stretch of addresses that nobody has. */
export interface FreeStretch {
  /** Its first address. */
  readonly start: bigint;
  /** Its length. */
  readonly bytes: bigint;
}

/**
 * Gives out parts of address ranges and takes them back. Always the lowest place that fits, so the same calls give
 * the same addresses. Pure arithmetic: it knows nothing of what the addresses mean.
 */
export class RangeAllocator {
  /** What is free; no two of them touch each other. */
  readonly #free = new SortedRanges<bigint>();

  /** The free bytes, in all. */
  get available(): bigint {
    return this.#free.all.reduce((sum, { start, end }) => sum + end - start, 0n);
  }

  /** The free stretches in ascending order, each with its length. */
  get free(): readonly FreeStretch[] {
    return this.#free.all.map(({ start, end }) => ({ start, bytes: end - start }));
  }

  /**
   * The lowest free place, taken; `undefined` if there is none.
   * @param bytes at least 1.
   * @param alignment a power of two.
   * @param isUsable refuses a place for now. Default: none.
   */
  allocate(
    bytes: bigint,
    alignment: bigint,
    isUsable: (start: bigint) => boolean = always,
  ): bigint | undefined {
    return this.#free.firstFit(bytes, (stretch) => {
      const aligned = (stretch.start + alignment - 1n) & -alignment;
      const end = aligned + bytes;
      if (end > stretch.end || !isUsable(aligned)) return undefined;
      this.#free.replace(stretch, outside(stretch, aligned, end));
      return aligned;
    });
  }

  /** True if all of a range is free. */
  has(start: bigint, bytes: bigint): boolean {
    const [stretch] = this.#free.overlapping(start, start + 1n);
    return stretch !== undefined && start + bytes <= stretch.end;
  }

  /** Adds a range to what is free, and joins it with its neighbours. Parts of it may be free already. */
  give(start: bigint, bytes: bigint): void {
    const end = start + bytes;
    const touching = this.#free.overlapping(start - 1n, end + 1n);
    const first = touching[0];
    const last = touching.at(-1);
    if (first === undefined || last === undefined) return this.#free.add({ start, end });
    for (const each of touching.slice(1)) this.#free.replace(each);
    this.#free.replace(first, [
      { start: first.start < start ? first.start : start, end: last.end > end ? last.end : end },
    ]);
  }

  /** Takes a range out of what is free. Parts of it need not be free. */
  take(start: bigint, bytes: bigint): void {
    const end = start + bytes;
    for (const each of this.#free.overlapping(start, end))
      this.#free.replace(each, outside(each, start, end));
  }
}

function always(): boolean {
  return true;
}

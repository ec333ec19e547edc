/** A stretch of addresses that nobody has. */
export interface FreeStretch {
  /** Its first address. */
  readonly start: bigint;
  /** Its length. */
  readonly bytes: bigint;
}

/** A stretch of addresses; `end` is the first address behind it. */
interface Stretch {
  start: bigint;
  end: bigint;
}

/**
 * Gives out parts of address ranges and takes them back. Always the lowest place that fits, so the same calls give
 * the same addresses. Pure arithmetic: it knows nothing of what the addresses mean.
 */
export class RangeAllocator {
  /** In ascending order; no two touch each other. */
  readonly #free: Stretch[] = [];

  /** The free bytes, in all. */
  get available(): bigint {
    return this.#free.reduce((sum, { start, end }) => sum + end - start, 0n);
  }

  /** The free stretches in ascending order, each with its length. */
  get free(): readonly FreeStretch[] {
    return this.#free.map(({ start, end }) => ({ start, bytes: end - start }));
  }

  /**
   * The lowest free place, taken; `undefined` if there is none.
   * @param bytes at least 1.
   * @param alignment a power of two.
   */
  allocate(bytes: bigint, alignment: bigint): bigint | undefined {
    for (const stretch of this.#free) {
      const aligned = (stretch.start + alignment - 1n) & -alignment;
      const end = aligned + bytes;
      if (end > stretch.end) continue;
      if (aligned === stretch.start && end < stretch.end) stretch.start = end;
      else this.take(aligned, bytes);
      return aligned;
    }
    return undefined;
  }

  /** True if all of a range is free. */
  has(start: bigint, bytes: bigint): boolean {
    const stretch = this.#free[this.#firstReaching(start + 1n)];
    return stretch !== undefined && stretch.start <= start && start + bytes <= stretch.end;
  }

  /** Adds a range to what is free, and joins it with its neighbours. Parts of it may be free already. */
  give(start: bigint, bytes: bigint): void {
    const added = { start, end: start + bytes };
    const first = this.#firstReaching(start);
    let behind = first;
    for (; behind < this.#free.length; behind++) {
      const other = this.#free[behind];
      if (other === undefined || other.start > added.end) break;
      if (other.start < added.start) added.start = other.start;
      if (other.end > added.end) added.end = other.end;
    }
    if (behind === first + 1) this.#free[first] = added;
    else this.#free.splice(first, behind - first, added);
  }

  /** Takes a range out of what is free. Parts of it need not be free. */
  take(start: bigint, bytes: bigint): void {
    const end = start + bytes;
    let index = this.#firstReaching(start + 1n);
    while (index < this.#free.length) {
      const other = this.#free[index];
      if (other === undefined || other.start >= end) return;
      const left: Stretch[] = [];
      if (other.start < start) left.push({ start: other.start, end: start });
      if (other.end > end) left.push({ start: end, end: other.end });
      this.#free.splice(index, 1, ...left);
      index += left.length;
    }
  }

  /** The index of the first stretch whose end is at or behind an address. */
  #firstReaching(address: bigint): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const stretch = this.#free[middle];
      if (stretch !== undefined && stretch.end < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

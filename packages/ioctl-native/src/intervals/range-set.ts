import { bytesOf, isWithin, without, type IovaRange } from "./range.js";
import { RangeList } from "./range-list.js";

/** A set of addresses, as ranges in ascending order: what is free, or what is taken. */
export class RangeSet extends RangeList {
  get bytes(): bigint {
    return this.all.reduce((sum, range) => sum + bytesOf(range), 0n);
  }

  has(range: IovaRange): boolean {
    const holder = this.at(range.start);
    return holder !== undefined && isWithin(range, holder);
  }

  /** Adds a range and joins it with its neighbours. Parts of it may be there already. */
  join({ start, end }: IovaRange): void {
    const touching = this.overlapping({ start: start - 1n, end: end + 1n });
    const first = touching[0];
    const last = touching.at(-1);
    if (first === undefined || last === undefined) return this.add({ start, end });
    for (const each of touching.slice(1)) this.replace(each);
    this.replace(first, [
      { start: first.start < start ? first.start : start, end: last.end > end ? last.end : end },
    ]);
  }

  /** Removes a range. Parts of it may be missing. */
  cut(range: IovaRange): void {
    for (const each of this.overlapping(range)) this.replace(each, without(each, range));
  }

  /**
   * Removes and returns the lowest place that fits, so that the same calls give the same addresses; `undefined` if
   * there is none.
   * @param alignment a power of two.
   */
  take(bytes: bigint, alignment: bigint, isUsable?: (start: bigint) => boolean): IovaRange | undefined {
    return this.firstFit(bytes, (range) => {
      const start = (range.start + alignment - 1n) & -alignment;
      const place = { start, end: start + bytes - 1n };
      if (place.end > range.end || isUsable?.(start) === false) return undefined;
      this.replace(range, without(range, place));
      return place;
    });
  }
}

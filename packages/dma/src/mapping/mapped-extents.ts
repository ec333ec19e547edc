import { bigIntOf, clip, RangeList, type Extent, type IovaRange } from "@vfio/ioctl-native";
import type { Part } from "./plan-extents.js";

/** An extent by its place in the memory. */
interface Placed extends IovaRange {
  readonly extent: Extent;
}

/**
 * The extents of a memory that are mapped, in the memory's order, of which parts can be taken out. Most mappings are
 * taken back as a whole, so the order is made with the first part that is.
 */
export class MappedExtents {
  /** `undefined` after a part was taken out, until somebody asks. */
  #list: readonly Extent[] | undefined;
  #order: RangeList<Placed> | undefined;
  #bytes: number;

  constructor(list: readonly Extent[] = []) {
    this.#list = list;
    this.#bytes = list.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** How much of the memory they are. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All of them. */
  get list(): readonly Extent[] {
    return (this.#list ??= this.#sorted().all.map(({ extent }) => extent));
  }

  /** Those that have something of a part of the memory. */
  touching({ offset, bytes }: Part): Extent[] {
    const start = Math.max(Math.floor(offset), 0);
    const end = Math.min(Math.ceil(offset + bytes), Number.MAX_SAFE_INTEGER);
    // Written so that NaN fails it too.
    if (!(start <= end)) return [];
    return this.#sorted()
      .overlapping(placeOf({ offset: start, bytes: end - start }))
      .map(({ extent }) => extent);
  }

  /** Takes a part out, of which all lies in one extent. */
  takeOut(part: Part): void {
    const order = this.#sorted();
    for (const placed of order.overlapping(placeOf(part)))
      order.replace(placed, outside(placed.extent, part).map(place));
    this.#bytes -= part.bytes;
    this.#list = undefined;
  }

  #sorted(): RangeList<Placed> {
    if (this.#order !== undefined) return this.#order;
    const order = new RangeList<Placed>();
    for (const extent of this.#list ?? []) order.add(place(extent));
    return (this.#order = order);
  }
}

function place(extent: Extent): Placed {
  return { ...placeOf(extent), extent };
}

function placeOf({ offset, bytes }: Part): IovaRange {
  return { start: bigIntOf(offset), end: bigIntOf(offset + bytes) - 1n };
}

function outside(extent: Extent, { offset, bytes }: Part): Extent[] {
  const end = extent.offset + extent.bytes;
  const sides = [clip(extent, extent.offset, offset), clip(extent, offset + bytes, end)];
  return sides.filter((side) => side.bytes > 0);
}

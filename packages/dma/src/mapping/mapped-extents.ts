import { type Extent, type IovaRange } from "@vfio/ioctl-native";
import { bigIntOf, bytesOf, RangeList, without } from "@vfio/ioctl-native/internal";
import type { Part } from "./plan-extents.js";

interface Placed extends IovaRange {
  /** The device address less the place in the memory. */
  readonly distance: bigint;
}

/**
 * The extents of a memory that are mapped, in the memory's order, from which parts can be taken. Most mappings are
 * unmapped whole, so the sorted set is made only for the first part.
 */
export class MappedExtents {
  /** `undefined` from the removal of a part until the next read. */
  #list: readonly Extent[] | undefined;
  #order: RangeList<Placed> | undefined;
  #bytes: number;

  constructor(list: readonly Extent[] = []) {
    this.#list = list;
    this.#bytes = list.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  get list(): readonly Extent[] {
    return (this.#list ??= this.#sorted().all.map(extentOf));
  }

  /** The extents that overlap a part of the memory. */
  touching(part: Part): Extent[] {
    return this.#sorted().overlapping(placeOf(part)).map(extentOf);
  }

  /** Removes a part that lies in one extent. */
  takeOut(part: Part): void {
    const order = this.#sorted();
    const place = placeOf(part);
    for (const placed of order.overlapping(place)) {
      const { distance } = placed;
      order.replace(
        placed,
        without(placed, place).map(({ start, end }) => ({ start, end, distance })),
      );
    }
    this.#bytes -= part.bytes;
    this.#list = undefined;
  }

  #sorted(): RangeList<Placed> {
    if (this.#order !== undefined) return this.#order;
    const order = new RangeList<Placed>();
    for (const extent of this.#list ?? []) {
      const { start, end } = placeOf(extent);
      order.add({ start, end, distance: extent.iova - start });
    }
    return (this.#order = order);
  }
}

function placeOf({ offset, bytes }: Part): IovaRange {
  return { start: bigIntOf(offset), end: bigIntOf(offset + bytes) - 1n };
}

function extentOf(placed: Placed): Extent {
  const { start, distance } = placed;
  return { offset: Number(start), iova: start + distance, bytes: Number(bytesOf(placed)) };
}

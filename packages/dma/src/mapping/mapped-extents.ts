import { type Extent, type IovaRange } from "@vfio/ioctl-native";
import { bigIntOf, bytesOf, RangeList, without } from "@vfio/ioctl-native/internal";
import type { Part } from "./plan-extents.js";

/** An extent by its place in the memory. */
interface Placed extends IovaRange {
  /** How far the device's address lies above the place. */
  readonly distance: bigint;
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
    return (this.#list ??= this.#sorted().all.map(extentOf));
  }

  /** Those that have something of a part of the memory. */
  touching(part: Part): Extent[] {
    return this.#sorted().overlapping(placeOf(part)).map(extentOf);
  }

  /** Takes a part out, of which all lies in one extent. */
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

import { type Extent } from "@vfio/ioctl-native";
import { clip } from "@vfio/ioctl-native/internal";

/** No slot is larger, so that offsets below 2 GiB can be shifted as 32-bit integers. */
const LARGEST_SLOT = 1n << 30n;
/** Bounds a table to 4 MiB, however small the extents of a large memory are. */
const MOST_SLOTS = 1 << 18;
const FOUR_GIB = 2 ** 32;

/** An extent within which the upper half of the device's address stays the same. */
export interface TableExtent extends Extent {
  /** The end, in the memory, of the extent this one was cut from. */
  readonly end: number;
}

/** Cuts extents where the device address crosses 4 GiB: within each, the halves have no carry. */
export function cutAtBorders(extents: readonly Extent[]): TableExtent[] {
  const all: TableExtent[] = [];
  for (const extent of extents) {
    const end = extent.offset + extent.bytes;
    let border = extent.offset + FOUR_GIB - Number(extent.iova & 0xffff_ffffn);
    for (let at = extent.offset; at < end; at = border, border += FOUR_GIB) {
      const { offset, iova, bytes } = clip(extent, at, border);
      all.push({ offset, iova, bytes, end });
    }
  }
  return all;
}

/** The largest power of two that divides every start and end of an extent; larger if there would be too many slots. */
export function slotBytesOf(extents: readonly TableExtent[]): number {
  let bits = LARGEST_SLOT;
  for (const { offset, bytes } of extents) bits |= BigInt(offset) | BigInt(bytes);
  const enough = 2 ** Math.ceil(Math.log2((extents.at(-1)?.end ?? 0) / MOST_SLOTS));
  return Math.min(Math.max(Number(bits & -bits), enough), Number(LARGEST_SLOT));
}

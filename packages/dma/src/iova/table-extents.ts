import { type Extent } from "@vfio/ioctl-native";
import { clip } from "@vfio/ioctl-native/internal";

/** No slot is larger, so that offsets below 2 GiB can be shifted as 32-bit integers. */
const LARGEST_SLOT = 1n << 30n;
/** So many slots at most, however small the extents of a large memory are: 4 MiB for a table. */
const MOST_SLOTS = 1 << 18;
const FOUR_GIB = 2 ** 32;

/** An extent within which the upper half of the device's address stays the same. */
export interface TableExtent extends Extent {
  /** Where the extent that it was cut from ends in the memory. */
  readonly end: number;
}

/** Extents cut where the device's address crosses 4 GiB: within each, the halves have no carry. */
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

/** The largest power of two that divides where the extents start and end; larger if the slots would be too many. */
export function slotBytesOf(extents: readonly TableExtent[]): number {
  let bits = LARGEST_SLOT;
  for (const { offset, bytes } of extents) bits |= BigInt(offset) | BigInt(bytes);
  const enough = 2 ** Math.ceil(Math.log2((extents.at(-1)?.end ?? 0) / MOST_SLOTS));
  return Math.min(Math.max(Number(bits & -bits), enough), Number(LARGEST_SLOT));
}

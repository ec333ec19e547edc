import { VfioRangeError, type IommuInfo } from "@vfio/ioctl-native";
import { formatAddress, formatRange } from "./format.js";
import type { DmaSegment } from "./segment-table.js";

/**
 * Holds a segment against the IOMMU's rules before the kernel does, whose EINVAL names none of them.
 * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_RANGE`, `ERR_VFIO_DMA_OVERLAP`.
 */
export function checkSegment(segment: DmaSegment, info: IommuInfo, mapped: Iterable<DmaSegment>): void {
  checkAlignment(segment, info.smallestPage);
  checkRange(segment, info);
  for (const other of mapped) checkOverlap(segment, other);
}

function checkAlignment({ iova, bytes }: DmaSegment, page: number): void {
  if (iova % BigInt(page) === 0n && bytes % page === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `IOVA ${formatAddress(iova)} and length ${bytes} must both be multiples of the IOMMU's page size, ${page} bytes`,
  );
}

function checkRange({ iova, bytes }: DmaSegment, { iovaRanges }: IommuInfo): void {
  if (iovaRanges === undefined) return;
  const last = iova + BigInt(bytes) - 1n;
  if (iovaRanges.some(({ start, end }) => iova >= start && last <= end)) return;
  const usable = iovaRanges
    .map(({ start, end }) => `[${formatAddress(start)}, ${formatAddress(end)}]`)
    .join(", ");
  throw new VfioRangeError(
    "ERR_VFIO_IOVA_OUT_OF_RANGE",
    `IOVA ${formatRange(iova, bytes)} is not in a range that this IOMMU can map: ${usable}`,
  );
}

function checkOverlap(segment: DmaSegment, other: DmaSegment): void {
  const end = segment.iova + BigInt(segment.bytes);
  const otherEnd = other.iova + BigInt(other.bytes);
  if (end <= other.iova || otherEnd <= segment.iova) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_OVERLAP",
    `IOVA ${formatRange(segment.iova, segment.bytes)} overlaps ${formatRange(other.iova, other.bytes)}, which is mapped`,
  );
}

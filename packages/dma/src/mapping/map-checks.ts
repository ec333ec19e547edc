import { VfioRangeError, type IommuInfo } from "@vfio/ioctl-native";
import { bigIntOf } from "../iova/halves.js";
import { formatAddress, formatRange } from "../iova/format.js";
import type { DmaSegment } from "../iova/iova-table.js";

/** No IOMMU has smaller pages. */
const SMALLEST_PAGE = 4096;

/**
 * Holds a segment against the rules of IOMMU and device before the kernel does, whose EINVAL names none of them.
 * @param addressBits how many address bits the device drives.
 * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_RANGE`, `ERR_VFIO_IOVA_OUT_OF_REACH`.
 */
export function checkSegment(segment: DmaSegment, info: IommuInfo, addressBits: number): void {
  checkAlignment(segment, info.smallestPage);
  checkRange(segment, info);
  checkReach(segment, addressBits);
}

/**
 * What is known of a segment before there is an IOMMU to ask.
 * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_REACH`.
 */
export function checkWithoutIommu(segment: DmaSegment, addressBits: number): void {
  checkAlignment(segment, SMALLEST_PAGE);
  checkReach(segment, addressBits);
}

function checkAlignment({ iova, bytes }: DmaSegment, page: number): void {
  if (iova % bigIntOf(page) === 0n && bytes % page === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `IOVA ${formatAddress(iova)} and length ${bytes} must both be multiples of the IOMMU's page size, ${page} bytes`,
  );
}

function checkRange({ iova, bytes }: DmaSegment, { iovaRanges }: IommuInfo): void {
  if (iovaRanges === undefined) return;
  const last = iova + bigIntOf(bytes) - 1n;
  if (iovaRanges.some(({ start, end }) => iova >= start && last <= end)) return;
  const usable = iovaRanges
    .map(({ start, end }) => `[${formatAddress(start)}, ${formatAddress(end)}]`)
    .join(", ");
  throw new VfioRangeError(
    "ERR_VFIO_IOVA_OUT_OF_RANGE",
    `IOVA ${formatRange(iova, bytes)} is not in a range that this IOMMU can map: ${usable}`,
    { hint: 'Let the mapper choose within them: { iova: "allocate" }' },
  );
}

function checkReach({ iova, bytes }: DmaSegment, addressBits: number): void {
  if (iova + bigIntOf(bytes) <= 1n << bigIntOf(addressBits)) return;
  throw new VfioRangeError(
    "ERR_VFIO_IOVA_OUT_OF_REACH",
    `IOVA ${formatRange(iova, bytes)} is beyond the ${addressBits} address bits that the device drives`,
    { hint: `Let the mapper choose within them: { iova: "allocate", addressBits: ${addressBits} }` },
  );
}

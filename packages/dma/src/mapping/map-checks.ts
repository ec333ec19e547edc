import { VfioRangeError, type Extent, type IovaRange } from "@vfio/ioctl-native";
import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { bigIntOf, formatAddress, formatRange, isWithin, rangeOf } from "@vfio/ioctl-native/internal";

/** No IOMMU has smaller pages. */
const SMALLEST_PAGE = 4096;

/**
 * Checks an extent against the rules of IOMMU and device before the kernel does: its EINVAL names none of them.
 * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_RANGE`, `ERR_VFIO_IOVA_OUT_OF_REACH`.
 */
export function checkExtent(extent: Extent, info: IommuInfo, addressBits: number): void {
  checkAlignment(extent, info.smallestPage);
  const range = rangeOf(extent);
  checkRange(range, info);
  checkReach(range, addressBits);
}

/**
 * What is known of an extent before there is an IOMMU to ask.
 * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_REACH`.
 */
export function checkWithoutIommu(extent: Extent, addressBits: number): void {
  checkAlignment(extent, SMALLEST_PAGE);
  checkReach(rangeOf(extent), addressBits);
}

function checkAlignment({ iova, bytes }: Extent, page: number): void {
  if (iova % bigIntOf(page) === 0n && bytes % page === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `IOVA ${formatAddress(iova)} and length ${bytes} must both be multiples of the IOMMU's page size, ${page} bytes`,
  );
}

function checkRange(range: IovaRange, { iovaRanges }: IommuInfo): void {
  if (iovaRanges === undefined || iovaRanges.some((usable) => isWithin(range, usable))) return;
  const usable = iovaRanges.map(formatRange).join(", ");
  throw new VfioRangeError(
    "ERR_VFIO_IOVA_OUT_OF_RANGE",
    `IOVA ${formatRange(range)} is not in a range that this IOMMU can map: ${usable}`,
    { hint: 'Let the mapper choose within them: { iova: "allocate" }' },
  );
}

function checkReach(range: IovaRange, addressBits: number): void {
  if (range.end < 1n << bigIntOf(addressBits)) return;
  throw new VfioRangeError(
    "ERR_VFIO_IOVA_OUT_OF_REACH",
    `IOVA ${formatRange(range)} is beyond the ${addressBits} address bits that the device drives`,
    { hint: `Let the mapper choose within them: { iova: "allocate", addressBits: ${addressBits} }` },
  );
}

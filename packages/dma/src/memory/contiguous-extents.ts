import { type Extent } from "@vfio/ioctl-native";
import { extentsOfPages } from "@vfio/ioctl-native/internal";
import { argumentError, isList, isPowerOfTwo } from "../arguments.js";

/**
 * The extents of a memory whose pages have these addresses. Adjacent pages join into one extent: one ioctl, and one of
 * the container's limited number of mappings.
 * @param addresses the address of every page, in the memory's order.
 * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` for anything else.
 * @example
 * ```ts
 * import { contiguousExtents } from "@vfio/dma";
 *
 * const extents = contiguousExtents([0x1000n, 0x2000n, 0x8000n], 4096);
 * console.log(extents.length); // 2
 * ```
 */
export function contiguousExtents(addresses: readonly bigint[], pageBytes: number): Extent[] {
  if (!isList(addresses) || typeof (addresses[0] ?? 0n) !== "bigint")
    throw argumentError(addresses, "a list of addresses, bigints,");
  if (!isPowerOfTwo(pageBytes)) throw argumentError(pageBytes, "a page size, a power of two,");
  return extentsOfPages(addresses, pageBytes);
}

export function asRun({
  offset,
  iova,
  bytes,
}: Extent): Pick<Extent, "offset" | "bytes"> & { readonly address: bigint } {
  return { offset, address: iova, bytes };
}

import { argumentError, isList, isPowerOfTwo } from "../arguments.js";
import { bigIntOf } from "../iova/halves.js";

/** A stretch of memory whose addresses follow each other without a hole. */
export interface Run {
  /** Where it starts in the memory, in bytes. */
  readonly offset: number;
  /** Its first address. */
  readonly address: bigint;
  /** Its length. */
  readonly bytes: number;
}

/**
 * Joins pages whose addresses follow each other, so that each run takes one ioctl and one of the container's
 * limited number of mappings.
 * @param addresses the address of every page, in the memory's order.
 * @param pageBytes the size of each page.
 * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` for what is no such list or size.
 * @example
 * ```ts
 * import { contiguousRuns } from "@vfio/dma";
 *
 * const runs = contiguousRuns([0x1000n, 0x2000n, 0x8000n], 4096);
 * console.log(runs.length); // 2
 * ```
 */
export function contiguousRuns(addresses: readonly bigint[], pageBytes: number): Run[] {
  if (!isList(addresses) || typeof (addresses[0] ?? 0n) !== "bigint")
    throw argumentError(addresses, "a list of addresses, bigints,");
  if (!isPowerOfTwo(pageBytes)) throw argumentError(pageBytes, "a page size, a power of two,");
  const page = bigIntOf(pageBytes);
  const runs: Run[] = [];
  let first = 0;
  for (let index = 0; index < addresses.length; index++) {
    const address = addresses[index] ?? 0n;
    if (addresses[index + 1] === address + page) continue;
    const bytes = (index + 1 - first) * pageBytes;
    runs.push({ offset: first * pageBytes, address: addresses[first] ?? 0n, bytes });
    first = index + 1;
  }
  return runs;
}

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
 * @example
 * ```ts
 * import { contiguousRuns } from "@vfio/dma";
 *
 * const runs = contiguousRuns([0x1000n, 0x2000n, 0x8000n], 4096);
 * console.log(runs.length); // 2
 * ```
 */
export function contiguousRuns(addresses: readonly bigint[], pageBytes: number): Run[] {
  const runs: Run[] = [];
  addresses.forEach((address, index) => {
    const last = runs.at(-1);
    if (last !== undefined && last.address + BigInt(last.bytes) === address) {
      runs[runs.length - 1] = { ...last, bytes: last.bytes + pageBytes };
    } else {
      runs.push({ offset: index * pageBytes, address, bytes: pageBytes });
    }
  });
  return runs;
}

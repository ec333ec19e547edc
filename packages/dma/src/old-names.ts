import type { Extent } from "@vfio/ioctl-native";
import type { FreeRange } from "./iova/iova-allocator.js";
import { asRun, contiguousExtents } from "./memory/contiguous-extents.js";

/** @deprecated Use {@link Extent}. */
export type DmaSegment = Extent;

/** @deprecated Use {@link FreeRange}. */
export type FreeStretch = FreeRange;

/** @deprecated Use {@link Extent}. */
export type MemoryPart = Pick<Extent, "offset" | "bytes">;

/** @deprecated Use {@link Extent}. */
export type Run = Pick<Extent, "offset" | "bytes"> & {
  readonly address: bigint;
};

/** @deprecated Use {@link contiguousExtents}. */
export function contiguousRuns(
  addresses: readonly bigint[],
  pageBytes: number,
): (Pick<Extent, "offset" | "bytes"> & {
  readonly address: bigint;
})[] {
  return contiguousExtents(addresses, pageBytes).map(asRun);
}

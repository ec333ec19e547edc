import type { Extent } from "@vfio/ioctl-native";
import type { FreeRange } from "./iova/iova-allocator.js";

/** @deprecated Use {@link Extent}. */
export type DmaSegment = Extent;

/** @deprecated Use {@link FreeRange}. */
export type FreeStretch = FreeRange;

/** @deprecated Use {@link Extent}. */
export type MemoryPart = Pick<Extent, "offset" | "bytes">;

/**
 * DMA memory for VFIO: hugepages, their physical addresses, and IOMMU mappings in anybody's container.
 *
 * @packageDocumentation
 */
export {
  HugepageMemory,
  type AllocateAsyncOptions,
  type AllocateOptions,
  type MemoryPlacing,
  type PageSource,
} from "./memory/hugepage-memory.js";
export { UserMemory } from "./memory/user-memory.js";
export {
  countHugepages,
  countHugepagesByNode,
  type HugepageCount,
  type NodeHugepageCount,
} from "./memory/hugepages.js";
export { loadAcquire } from "./buffers/load-acquire.js";
export { readPhysicalAddresses } from "./memory/physical-addresses.js";
export { contiguousExtents } from "./memory/contiguous-extents.js";
export { DmaMapper, type DmaMapperOptions } from "./mapping/dma-mapper.js";
export type { IovaMode } from "./iova/iova-mode.js";
export type { MapAsyncOptions, MapMemoryOptions } from "./mapping/map-memory-options.js";
export { DmaMapping, type MappingOwner } from "./mapping/dma-mapping.js";
export type { MappingPlan } from "./mapping/mapping-plan.js";
export { DmaBuffer, type BufferMemory, type BufferPlace, type InLinearMemory } from "./buffers/dma-buffer.js";
export type { BufferRequest, PoolRequest } from "./buffers/dma-arena.js";
export { DmaPool } from "./buffers/dma-pool.js";
export { IovaAllocator, type FreeRange, type IovaAllocatorOptions } from "./iova/iova-allocator.js";
export { IovaTable } from "./iova/iova-table.js";
export * from "./old-names.js";
export { drawIovaSpace, type DrawnMapping, type IovaSpace } from "./iova/iova-picture.js";
export type { Extent } from "@vfio/ioctl-native";
export { DMA_ACCESSES, type AddressSpace, type DmaAccess, type MappableMemory } from "@vfio/ioctl-native";
export { Type1Space } from "@vfio/ioctl-native/vfio";
export {
  decodeMemoryDescription,
  encodeMemoryDescription,
  type MemoryDescription,
} from "./memory/memory-description.js";

/**
 * DMA memory for VFIO: hugepages, their physical addresses, and IOMMU mappings in anybody's container.
 *
 * @packageDocumentation
 */
export {
  HugepageMemory,
  type AllocateAsyncOptions,
  type AllocateOptions,
  type PageSource,
} from "./hugepage-memory.js";
export { UserMemory } from "./user-memory.js";
export {
  countHugepages,
  countHugepagesByNode,
  type HugepageCount,
  type NodeHugepageCount,
} from "./hugepages.js";
export { loadAcquire } from "./load-acquire.js";
export { readPhysicalAddresses } from "./physical-addresses.js";
export { contiguousRuns, type Run } from "./runs.js";
export {
  DmaMapper,
  type DmaMapperOptions,
  type IovaMode,
  type MapAsyncOptions,
  type MapMemoryOptions,
} from "./dma-mapper.js";
export { DmaMapping, type MappableMemory, type MappingOwner, type MappingPlan } from "./dma-mapping.js";
export { DmaBuffer, type BufferMemory, type BufferPlace } from "./dma-buffer.js";
export type { BufferRequest, PoolRequest } from "./dma-arena.js";
export { DmaPool } from "./dma-pool.js";
export type { FreeStretch } from "./range-allocator.js";
export { IovaAllocator, type IovaAllocatorOptions } from "./iova-allocator.js";
export { IovaTable, type DmaSegment } from "./iova-table.js";
export { drawIovaSpace, type DrawnMapping, type IovaSpace } from "./iova-picture.js";
export { DMA_ACCESSES, type DmaAccess, type Iommu } from "./iommu.js";
export type { MemoryPart } from "./plan-segments.js";
export { Type1Iommu } from "./type1-iommu.js";
export {
  decodeMemoryDescription,
  encodeMemoryDescription,
  type MemoryDescription,
} from "./memory-description.js";

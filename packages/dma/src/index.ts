/**
 * DMA memory for VFIO: hugepages, their physical addresses, and IOMMU mappings in anybody's container.
 *
 * @packageDocumentation
 */
export { HugepageMemory, type AllocateOptions } from "./hugepage-memory.js";
export { countHugepages, type HugepageCount } from "./hugepages.js";
export { readPhysicalAddresses } from "./physical-addresses.js";
export { contiguousRuns, type Run } from "./runs.js";
export { DmaMapper, type DmaMapperOptions, type IovaMode, type MapMemoryOptions } from "./dma-mapper.js";
export { DmaMapping, type MappableMemory } from "./dma-mapping.js";
export { SegmentTable, type DmaSegment } from "./segment-table.js";
export { type DmaAccess, type Iommu } from "./iommu.js";
export { Type1Iommu } from "./type1-iommu.js";
export {
  decodeMemoryDescription,
  encodeMemoryDescription,
  type MemoryDescription,
} from "./memory-description.js";

export type { AddressSpace } from "./address-space.js";
export { DMA_ACCESSES, type DmaAccess } from "./dma-access.js";
export type { MappableMemory } from "./mappable-memory.js";

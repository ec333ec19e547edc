export type { AddressSpace } from "./address-space.js";
export { DMA_ACCESSES, type DmaAccess } from "./dma-access.js";
export type { MappableMemory } from "./mappable-memory.js";
export type { DeviceCalls } from "./device-calls.js";
export type { BulkAccess, RegionWindow, RegisterAccess } from "./region-window.js";

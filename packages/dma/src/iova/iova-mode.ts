/**
 * How device addresses are chosen: `physical`, equal to physical addresses (1:1); `virtual`, equal to this process's
 * virtual ones; `allocate`, by an `IovaAllocator` within what the IOMMU can map and the device can reach, but for
 * the first page: address 0 is never given out.
 */
export type IovaMode = "physical" | "virtual" | "allocate";

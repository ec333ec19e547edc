/** All values of {@link DmaAccess}. */
export const DMA_ACCESSES = ["read-write", "read-only", "write-only"] as const;

/**
 * What a device may do with mapped memory, seen from the device. An IOMMU need not tell them all apart: Intel's (VT-d)
 * lets a device read what is `write-only`, since Linux sets its page tables so (drivers/iommu/intel, commit eea53c581688).
 */
export type DmaAccess = (typeof DMA_ACCESSES)[number];

/** All values of {@link DmaAccess}. */
export const DMA_ACCESSES = ["read-write", "read-only", "write-only"] as const;

/**
 * What a device may do with mapped memory. An IOMMU need not tell all apart: Intel's (VT-d) lets a device read
 * `write-only` memory, as Linux sets its page tables (drivers/iommu/intel, commit eea53c581688).
 */
export type DmaAccess = (typeof DMA_ACCESSES)[number];

import type { IommuInfo } from "@vfio/ioctl-native";

/** All values of {@link DmaAccess}. */
export const DMA_ACCESSES = ["read-write", "read-only", "write-only"] as const;

/**
 * What a device may do with mapped memory, seen from the device. An IOMMU need not tell them all apart: Intel's (VT-d)
 * lets a device read what is `write-only`, since Linux sets its page tables so (drivers/iommu/intel, commit eea53c581688).
 */
export type DmaAccess = (typeof DMA_ACCESSES)[number];

/**
 * The little that the mapper needs of an IOMMU. {@link Type1Iommu}, over a VFIO container, is one; an iommufd
 * could be another.
 */
export interface Iommu {
  /** Page sizes and usable ranges, now: they change when groups come and go. */
  info(): IommuInfo;
  /**
   * Lets devices reach `bytes` bytes at virtual address `address` under the address `iova`.
   * @param wanted how much of the memory is still to be mapped, this included: for the error of a memory limit.
   */
  map(address: bigint, iova: bigint, bytes: number, access: DmaAccess, wanted?: number): void;
  /**
   * The same in pieces of `pieceBytes`, the last one smaller if need be: as many as it likes to, with one call. Where
   * it is left out, {@link map} is called for each.
   * @returns how many bytes are mapped now, at least one piece. If one behind it fails, asking for the rest tells why.
   */
  mapPieces?(
    address: bigint,
    iova: bigint,
    bytes: number,
    access: DmaAccess,
    pieceBytes: number,
    wanted?: number,
  ): number;
  /** Takes a mapping back, and returns how many bytes really were. */
  unmap(iova: bigint, bytes: number): number;
}

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
 *
 * What a method throws is told to the mapper's caller as it is. What the mapper concludes from it follows from `code`
 * alone, so errors may be anybody's, such as Node.js's own or `Object.assign(new Error(text), { code: "EEXIST" })`:
 *
 * | method                | `code`                     | what the mapper concludes                                         |
 * | --------------------- | -------------------------- | ----------------------------------------------------------------- |
 * | `info`                | `EINVAL`                   | there is no group: every mapping is forgotten, and new ones wait  |
 * | `map`                 | `EEXIST`                   | a part of the range is mapped; a mapping that was there still is  |
 * | `map`, `unmap`        | `EINVAL`, and so says `info` | the last group has left: nothing is mapped any more             |
 * | `unmap`               | `EBADF`, `ERR_VFIO_CLOSED` | the IOMMU is closed: nothing can be unmapped, the memory is freed |
 * | `map`                 | anything else              | nothing of the range was mapped by this call                      |
 * | `map`, asked by `replay` | anything else           | nothing: the mapping counts as in place, and its memory stays held |
 * | `unmap`               | anything else              | nothing: all of it may still be mapped, and its memory stays held |
 */
export interface Iommu {
  /**
   * Page sizes and usable ranges, now: they change when groups come and go.
   * @throws `EINVAL` while there is no group, and for no other reason.
   */
  info(): IommuInfo;
  /**
   * Lets devices reach `bytes` bytes at virtual address `address` under the address `iova`; all of it, or nothing.
   * @param wanted how much of the memory is still to be mapped, this included: for the error of a memory limit.
   * @throws `EEXIST` if a part of the range is mapped, whoever mapped it; and whatever else keeps it from mapping.
   */
  map(address: bigint, iova: bigint, bytes: number, access: DmaAccess, wanted?: number): void;
  /**
   * The same in pieces of `pieceBytes`, the last one smaller if need be: as many as it likes to, with one call. Where
   * it is left out, {@link map} is called for each.
   * @returns how many bytes are mapped now, at least one piece and no more than asked for. If one behind it fails, asking
   * for the rest tells why.
   * @throws what {@link map} throws, for the first piece.
   */
  mapPieces?(
    address: bigint,
    iova: bigint,
    bytes: number,
    access: DmaAccess,
    pieceBytes: number,
    wanted?: number,
  ): number;
  /**
   * Takes back every mapping inside a range.
   * @returns how many bytes really were mapped; nothing of the range is mapped afterwards.
   * @throws whatever keeps it from unmapping: all of it may still be mapped then.
   */
  unmap(iova: bigint, bytes: number): number;
  /** As {@link map}, off the event loop. Where it is left out, {@link map} is called, and others get their turn between pieces. */
  mapAsync?(address: bigint, iova: bigint, bytes: number, access: DmaAccess, wanted?: number): Promise<void>;
  /** As {@link unmap}, off the event loop. Where it is left out, {@link unmap} is called. */
  unmapAsync?(iova: bigint, bytes: number): Promise<number>;
}

import type { IommuInfo } from "../vfio/iommu-info.js";
import type { DmaAccess } from "./dma-access.js";
import type { MappableMemory } from "./mappable-memory.js";

/**
 * The addresses by which devices reach memory: a VFIO container's ({@link Type1Space}), an iommufd's, a vfio-user
 * server's, or an emulator's.
 *
 * Callers pass on what a method throws. They look at its `code` alone, so any error will do, such as Node.js's own or
 * `Object.assign(new Error(text), { code: "EEXIST" })`:
 *
 * | method                | `code`                     | what the caller concludes
 * |
 * | --------------------- | -------------------------- |
 * ----------------------------------------------------------------- |
 * | `map`                 | `EEXIST`                   | a part of the range is mapped; a mapping that was there still
 * is  |
 * | `map`, `unmap`        | `EINVAL`, and `limits()` is `undefined` | there is no device any more, and nothing is
 * mapped   |
 * | `unmap`               | `EBADF`, `ERR_VFIO_CLOSED` | the space is closed: nothing can be unmapped, the memory is
 * freed |
 * | `map`                 | anything else              | nothing of the range was mapped by this call
 * |
 * | `map` of what may be mapped already | anything else | nothing: it counts as mapped, and its memory stays held
 * |
 * | `unmap`               | anything else              | nothing: all of it may still be mapped, and its memory stays
 * held |
 */
export interface AddressSpace {
  readonly kind: "type1" | "iommufd" | "vfio-user" | "emulated";
  /** When all mappings vanish without having been unmapped. */
  readonly forgets: "with-last-group" | "with-connection" | "never";
  /** Page sizes and usable ranges, now: they change as devices come and go. `undefined` while there is no device. */
  limits(): IommuInfo | undefined;
  /**
   * Maps `bytes` bytes of a memory, from `offset` on, to the addresses from `iova` on, in pieces of `pieceBytes` (the
   * last may be smaller), each of which can be unmapped alone. May map only some pieces, but at least one, and each as
   * a whole or not at all.
   * @param pieceBytes a multiple of the memory's page size. Default: all in one piece.
   * @returns the number of bytes mapped, at least one piece. If a piece failed, mapping the rest tells why.
   * @throws for the first piece: `EEXIST` if part of the range is mapped, whoever mapped it; and any other failure.
   */
  map(
    memory: Pick<MappableMemory, "address" | "bytes">,
    offset: number,
    bytes: number,
    iova: bigint,
    access: DmaAccess,
    pieceBytes?: number,
  ): number;
  /**
   * Unmaps every mapping inside a range.
   * @returns the number of bytes that were mapped; nothing of the range is mapped afterwards.
   * @throws if unmapping failed: all of the range may still be mapped.
   */
  unmap(iova: bigint, bytes: number): number;
  /**
   * As {@link map}, off the event loop. Without it, {@link map} is called, and others get their turn between pieces.
   */
  mapAsync?(...args: Parameters<AddressSpace["map"]>): Promise<number>;
  /** As {@link unmap}, off the event loop. Without it, {@link unmap} is called. */
  unmapAsync?(iova: bigint, bytes: number): Promise<number>;
}

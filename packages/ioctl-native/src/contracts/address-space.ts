import type { IommuInfo } from "../vfio/iommu-info.js";
import type { DmaAccess } from "./dma-access.js";
import type { MappableMemory } from "./mappable-memory.js";

/**
 * The addresses under which some devices reach memory: a VFIO container's (`Type1Space`), an iommufd's, a
 * vfio-user server's, or those of a model.
 *
 * What a method throws is told to its caller's caller as it is. What the caller concludes from it follows from `code`
 * alone, so errors may be anybody's, such as Node.js's own or `Object.assign(new Error(text), { code: "EEXIST" })`:
 *
 * | method                | `code`                     | what the caller concludes                                         |
 * | --------------------- | -------------------------- | ----------------------------------------------------------------- |
 * | `map`                 | `EEXIST`                   | a part of the range is mapped; a mapping that was there still is  |
 * | `map`, `unmap`        | `EINVAL`, and `limits()` is `undefined` | there is no device any more, and nothing is mapped   |
 * | `unmap`               | `EBADF`, `ERR_VFIO_CLOSED` | the space is closed: nothing can be unmapped, the memory is freed |
 * | `map`                 | anything else              | nothing of the range was mapped by this call                      |
 * | `map` of what may be mapped already | anything else | nothing: it counts as mapped, and its memory stays held           |
 * | `unmap`               | anything else              | nothing: all of it may still be mapped, and its memory stays held |
 */
export interface AddressSpace {
  readonly kind: "type1" | "iommufd" | "vfio-user" | "emulated";
  /** When all mappings vanish without having been unmapped. */
  readonly forgets: "with-last-group" | "with-connection" | "never";
  /** Page sizes and usable ranges, now: they change as devices come and go. `undefined` while there is no device. */
  limits(): IommuInfo | undefined;
  /**
   * Lets devices reach `bytes` bytes of a memory, from `offset` on, under the addresses from `iova` on, in pieces of
   * `pieceBytes`, the last one smaller if need be: each can be unmapped on its own. It makes as many of them as it
   * likes to, one at least, each as a whole or not at all.
   * @param pieceBytes a multiple of the memory's page size. Default: all in one piece.
   * @returns how many bytes are mapped now, at least one piece and no more than asked for. If the piece behind them
   * failed, asking for the rest tells why.
   * @throws for the first piece: `EEXIST` if a part of the range is mapped, whoever mapped it; and whatever else keeps
   * it from mapping.
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
   * Takes back every mapping inside a range.
   * @returns how many bytes really were mapped; nothing of the range is mapped afterwards.
   * @throws whatever keeps it from unmapping: all of it may still be mapped then.
   */
  unmap(iova: bigint, bytes: number): number;
  /** As {@link map}, off the event loop. Where it is left out, {@link map} is called, and others get their turn between pieces. */
  mapAsync?(...args: Parameters<AddressSpace["map"]>): Promise<number>;
  /** As {@link unmap}, off the event loop. Where it is left out, {@link unmap} is called. */
  unmapAsync?(iova: bigint, bytes: number): Promise<number>;
}

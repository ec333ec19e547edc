import { errnoOf, hasErrno, isVfioError, Mapping, type HasFd } from "@vfio/ioctl-native";
import { tryIommu, type Type1Space } from "@vfio/ioctl-native/vfio";
import { isOrdinaryMemory, memoryShortage, undo } from "@vfio/ioctl-native/internal";
import type { LeaseTerms } from "../wire/lease-messages.js";

/** Where leases are mapped: a container, and its addresses. */
export interface LeaseSpace {
  readonly container: HasFd;
  readonly space: Type1Space;
}

/** A secondary's memory, mapped in this process, and from there for DMA in the container. */
export class LeasedMemory {
  readonly #at: LeaseSpace;
  readonly #terms: LeaseTerms;
  readonly #mapping: Mapping;
  #unmaps = false;

  private constructor(at: LeaseSpace, terms: LeaseTerms, mapping: Mapping) {
    this.#at = at;
    this.#terms = terms;
    this.#mapping = mapping;
  }

  /**
   * Maps it, off the event loop: pinning many pages takes long. The file may be closed as soon as this returns.
   * @throws VfioSystemError of `mmap` or the ioctl; VfioError `ERR_VFIO_CLOSED` if the container is closed,
   * `ERR_VFIO_MEMORY_EXHAUSTED`.
   */
  static async map(at: LeaseSpace, terms: LeaseTerms, file: HasFd): Promise<LeasedMemory> {
    const { iova, bytes, offset, access } = terms;
    const mapping = Mapping.map({
      file,
      bytes,
      offset,
      writable: access !== "read-only",
      name: "leased memory",
    });
    try {
      // Pinning takes all pages, also those that the secondary has not touched.
      const shortage = isOrdinaryMemory(file) ? memoryShortage(mapping) : undefined;
      if (shortage !== undefined) throw shortage;
      await at.space.mapAsync(mapping, 0, bytes, iova, access);
      return new LeasedMemory(at, terms, mapping);
    } catch (error) {
      undo(error, [() => mapping.close()]);
    }
  }

  /**
   * Whether the container still has it. The kernel lists no mappings, but refuses to make one a second time. Where it
   * makes it, it was lost: {@link unmap} undoes that, too. Unknown counts as there.
   */
  isMapped(): boolean {
    const { iova, bytes, access } = this.#terms;
    try {
      this.#at.space.map(this.#mapping, 0, bytes, iova, access);
      return false;
    } catch (error) {
      if (!isVfioError(error)) throw error;
      return !this.#isForgotten(error);
    }
  }

  /**
   * Undoes it, and gives the memory back.
   * @returns the number of bytes of it that the container had.
   * @throws VfioSystemError if the kernel refuses, VfioError `ERR_VFIO_CLOSED` if the container is closed: it may still
   *   be mapped, so the memory stays.
   */
  unmap(): number {
    if (this.#unmaps) return this.#unmapBeside();
    const { iova, bytes } = this.#terms;
    try {
      return this.#giveBack(this.#at.space.unmap(iova, bytes));
    } catch (error) {
      return this.#giveBackForgotten(error);
    }
  }

  /** As {@link unmap}, off the event loop. */
  async unmapAsync(): Promise<number> {
    const { iova, bytes } = this.#terms;
    this.#unmaps = true;
    try {
      return this.#giveBack(await this.#at.space.unmapAsync(iova, bytes));
    } catch (error) {
      return this.#giveBackForgotten(error);
    } finally {
      this.#unmaps = false;
    }
  }

  // While the kernel is at it: it does one after the other, so afterwards nothing is mapped. Which of them found the
  // mapping does not matter, and the other one gives the memory back.
  #unmapBeside(): number {
    const { iova, bytes } = this.#terms;
    try {
      this.#at.space.unmap(iova, bytes);
    } catch (error) {
      if (!hasErrno(error)) throw error;
    }
    return bytes;
  }

  #giveBack(unmapped: number): number {
    this.#mapping.close();
    return unmapped;
  }

  #giveBackForgotten(error: unknown): number {
    if (!this.#isForgotten(error)) throw error;
    return this.#giveBack(0);
  }

  // A container that has no group any more has no IOMMU, forgot all mappings, and answers EINVAL to whatever is asked.
  // So does one that has an IOMMU, to a range that it cannot unmap as it is: only then can it say what it can do.
  #isForgotten(error: unknown): boolean {
    return hasErrno(error) && NO_IOMMU.has(error.errno) && NO_IOMMU.has(tryIommu(this.#at.container));
  }
}

/** ENODEV is what iommufd answers in VFIO's stead, ENOTTY what is no container at all. */
const NO_IOMMU: ReadonlySet<number> = new Set([errnoOf("EINVAL"), errnoOf("ENODEV"), errnoOf("ENOTTY")]);

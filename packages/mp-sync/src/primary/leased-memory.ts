import { errnoOf, hasErrno, isVfioError, Mapping, type HasFd } from "@vfio/ioctl-native";
import { tryIommu, type Type1Space } from "@vfio/ioctl-native/vfio";
import { isOrdinaryMemory, memoryShortage, undo } from "@vfio/ioctl-native/internal";
import type { LeaseTerms } from "../wire/lease-messages.js";

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
   * Maps the memory off the event loop: pinning many pages takes long. The file may be closed as soon as this returns.
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
   * Whether the container still has the mapping. The kernel lists no mappings, but refuses to make one twice. If it
   * succeeds, the mapping was lost: {@link unmap} undoes the new one, too. Unknown counts as mapped.
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
   * Unmaps and frees the memory.
   * @returns the number of bytes that the container had mapped.
   * @throws VfioSystemError if the kernel refuses, VfioError `ERR_VFIO_CLOSED` if the container is closed: it may still
   * be mapped, so the memory stays.
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

  // Runs while the kernel unmaps in another thread: it does one after the other, so afterwards nothing is mapped. It
  // does not matter which found the mapping; the other one frees the memory.
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

  // A container without a group has no IOMMU, has forgotten all mappings, and answers EINVAL to everything. So does one
  // with an IOMMU, for a range that it cannot unmap as it is; but only that one answers what it can do.
  #isForgotten(error: unknown): boolean {
    return hasErrno(error) && NO_IOMMU.has(error.errno) && NO_IOMMU.has(tryIommu(this.#at.container));
  }
}

/** iommufd answers ENODEV in VFIO's stead; a file that is no container, ENOTTY. */
const NO_IOMMU: ReadonlySet<number> = new Set([errnoOf("EINVAL"), errnoOf("ENODEV"), errnoOf("ENOTTY")]);

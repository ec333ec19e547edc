import type { Extent, VfioError, AddressSpace } from "@vfio/ioctl-native";
import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { hasCode } from "../has-code.js";
import { incompleteError } from "../mapping/install-errors.js";

/** An IOMMU, what it said last, and what its errors say about what is mapped. */
export class KnownSpace {
  readonly #space: AddressSpace;
  readonly #onNoGroup: () => void;
  #info: IommuInfo | undefined;

  /** @param onNoGroup is called when the container turns out to have no group: it has lost all mappings, those of others too. */
  constructor(space: AddressSpace, onNoGroup: () => void) {
    this.#space = space;
    this.#onNoGroup = onNoGroup;
  }

  /** The IOMMU itself. */
  get space(): AddressSpace {
    return this.#space;
  }

  /** What the IOMMU said last, or says now if it was not asked yet. `undefined` while the container has no group. */
  get info(): IommuInfo | undefined {
    return this.#info ?? this.refresh();
  }

  /** Asks the IOMMU anew. */
  refresh(): IommuInfo | undefined {
    this.#info = this.#space.limits();
    if (this.#info === undefined) this.#onNoGroup();
    return this.#info;
  }

  /** What the IOMMU says after a failure, which is thrown if that cannot be found out. */
  infoAfter(failure: unknown): IommuInfo | undefined {
    try {
      return this.refresh();
    } catch {
      throw failure;
    }
  }

  /** True if that is why something failed. Without a group, the kernel has forgotten every mapping. */
  hasNoGroup(failure: unknown): boolean {
    return hasCode(failure, "EINVAL") && this.infoAfter(failure) === undefined;
  }

  /**
   * Whatever the number of pieces, an extent of them goes with one ioctl: the kernel unmaps every mapping inside it.
   * @param done gets each extent of which nothing is mapped any more.
   * @returns what is wrong if the kernel took back less than it should have.
   */
  unmap(extents: readonly Extent[], done: Extent[] = []): VfioError | undefined {
    let shortfall: VfioError | undefined;
    for (const extent of extents) {
      const unmapped = this.#unmapped(extent);
      if (unmapped !== extent.bytes) shortfall ??= incompleteError(extent, unmapped);
      done.push(extent);
    }
    return shortfall;
  }

  /** As {@link unmap}, off the event loop if the IOMMU can do that. */
  async unmapAsync(extents: readonly Extent[], done: Extent[] = []): Promise<VfioError | undefined> {
    let shortfall: VfioError | undefined;
    for (const extent of extents) {
      const unmapped = await this.#unmappedAsync(extent);
      if (unmapped !== extent.bytes) shortfall ??= incompleteError(extent, unmapped);
      done.push(extent);
    }
    return shortfall;
  }

  /** How much the kernel took back of an extent: all of it, if it has forgotten it. */
  #unmapped({ iova, bytes }: Extent): number {
    try {
      return this.#space.unmap(iova, bytes);
    } catch (error) {
      if (this.#isNothingLeft(error)) return bytes;
      throw error;
    }
  }

  async #unmappedAsync(extent: Extent): Promise<number> {
    if (this.#space.unmapAsync === undefined) return this.#unmapped(extent);
    try {
      return await this.#space.unmapAsync(extent.iova, extent.bytes);
    } catch (error) {
      if (this.#isNothingLeft(error)) return extent.bytes;
      throw error;
    }
  }

  /** A closed container cannot be asked, but what VFIO pinned stays out of anybody else's hands until it is unpinned. */
  #isNothingLeft(failure: unknown): boolean {
    return hasCode(failure, "EBADF") || hasCode(failure, "ERR_VFIO_CLOSED") || this.hasNoGroup(failure);
  }
}

import type { Extent, VfioError, AddressSpace } from "@vfio/ioctl-native";
import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { hasCode } from "../has-code.js";
import { incompleteError } from "../mapping/install-errors.js";

/** An IOMMU, what it reported last, and what its errors say about the mappings. */
export class KnownSpace {
  readonly #space: AddressSpace;
  readonly #onNoGroup: () => void;
  #info: IommuInfo | undefined;

  /** @param onNoGroup called when the container has no group: it has lost all mappings, those of other programs too. */
  constructor(space: AddressSpace, onNoGroup: () => void) {
    this.#space = space;
    this.#onNoGroup = onNoGroup;
  }

  get space(): AddressSpace {
    return this.#space;
  }

  /** What the IOMMU reported last, asked for on first use. `undefined` while the container has no group. */
  get info(): IommuInfo | undefined {
    return this.#info ?? this.refresh();
  }

  refresh(): IommuInfo | undefined {
    this.#info = this.#space.limits();
    if (this.#info === undefined) this.#onNoGroup();
    return this.#info;
  }

  /** What the IOMMU reports after a failure; throws the failure if it cannot be asked. */
  infoAfter(failure: unknown): IommuInfo | undefined {
    try {
      return this.refresh();
    } catch {
      throw failure;
    }
  }

  /** True if the missing group caused the failure. Without a group, the kernel has forgotten every mapping. */
  hasNoGroup(failure: unknown): boolean {
    return hasCode(failure, "EINVAL") && this.infoAfter(failure) === undefined;
  }

  /**
   * One ioctl for each extent, whatever its number of pieces: the kernel unmaps every mapping inside it.
   * @param done gets each extent that is fully unmapped.
   * @returns the error if the kernel unmapped too little.
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

  async unmapAsync(extents: readonly Extent[], done: Extent[] = []): Promise<VfioError | undefined> {
    let shortfall: VfioError | undefined;
    for (const extent of extents) {
      const unmapped = await this.#unmappedAsync(extent);
      if (unmapped !== extent.bytes) shortfall ??= incompleteError(extent, unmapped);
      done.push(extent);
    }
    return shortfall;
  }

  /** The number of bytes unmapped: all of the extent if the kernel has forgotten it. */
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

  /** A closed container cannot be asked, but memory that VFIO pinned stays out of other hands until it is unpinned. */
  #isNothingLeft(failure: unknown): boolean {
    return hasCode(failure, "EBADF") || hasCode(failure, "ERR_VFIO_CLOSED") || this.hasNoGroup(failure);
  }
}

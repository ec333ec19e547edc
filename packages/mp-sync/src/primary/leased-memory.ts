import {
  errnoOf,
  hasErrno,
  ioctl,
  ioctlAsync,
  isOrdinaryMemory,
  isVfioError,
  Mapping,
  memoryShortage,
  tryIoctl,
  tryIommu,
  undo,
  vfioIoctls,
  vfioStructs,
  type HasFd,
  type IoctlContext,
} from "@vfio/ioctl-native";
import { flagsOf, rangeText, type LeaseTerms } from "../wire/lease-messages.js";

const { vfio_iommu_type1_dma_map: mapStruct, vfio_iommu_type1_dma_unmap: unmapStruct } = vfioStructs;

/** A secondary's memory, mapped in this process, and from there for DMA in the container. */
export class LeasedMemory {
  readonly #container: HasFd;
  readonly #terms: LeaseTerms;
  readonly #mapping: Mapping;
  readonly #request: Uint8Array;
  #unmaps = false;

  private constructor(container: HasFd, terms: LeaseTerms, mapping: Mapping) {
    const { iova, bytes, access } = terms;
    this.#container = container;
    this.#terms = terms;
    this.#mapping = mapping;
    this.#request = mapStruct.encode({
      flags: flagsOf(access),
      vaddr: mapping.address,
      iova,
      size: BigInt(bytes),
    });
  }

  /**
   * Maps it, off the event loop: pinning many pages takes long. The file may be closed as soon as this returns.
   * @throws VfioSystemError of `mmap` or the ioctl; VfioError `ERR_VFIO_CLOSED` if the container is closed,
   * `ERR_VFIO_MEMORY_EXHAUSTED`.
   */
  static async map(container: HasFd, terms: LeaseTerms, file: HasFd): Promise<LeasedMemory> {
    const { bytes, offset, access } = terms;
    const mapping = Mapping.map({
      file,
      bytes,
      offset,
      writable: access !== "read-only",
      name: "leased memory",
    });
    const memory = new LeasedMemory(container, terms, mapping);
    try {
      // Pinning takes all pages, also those that the secondary has not touched.
      const shortage = isOrdinaryMemory(file) ? memoryShortage(mapping) : undefined;
      if (shortage !== undefined) throw shortage;
      await ioctlAsync(container, vfioIoctls.VFIO_IOMMU_MAP_DMA, memory.#request);
      return memory;
    } catch (error) {
      undo(error, [() => mapping.close()]);
    }
  }

  /**
   * Whether the container still has it. The kernel lists no mappings, but refuses to make one a second time. Where it
   * makes it, it was lost: {@link unmap} undoes that, too. Unknown counts as there.
   */
  isMapped(): boolean {
    const errno = this.#tryMapAgain();
    return errno !== 0 && !this.#isForgotten(errno);
  }

  /**
   * Undoes it, and gives the memory back.
   * @returns how many bytes of it the container had.
   * @throws VfioSystemError if the kernel refuses, VfioError `ERR_VFIO_CLOSED` if the container is closed: it may still
   *   be mapped, so the memory stays.
   */
  unmap(): bigint {
    const request = this.#unmapRequest();
    if (this.#unmaps) return this.#unmapNow(request);
    try {
      ioctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, request, this.#unmapContext);
      return this.#giveBack(request);
    } catch (error) {
      return this.#giveBackForgotten(error);
    }
  }

  /** As {@link unmap}, off the event loop. */
  async unmapAsync(): Promise<bigint> {
    const request = this.#unmapRequest();
    this.#unmaps = true;
    try {
      await ioctlAsync(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, request, this.#unmapContext);
      return this.#giveBack(request);
    } catch (error) {
      return this.#giveBackForgotten(error);
    } finally {
      this.#unmaps = false;
    }
  }

  // While the kernel is at it: it does one after the other, so afterwards nothing is mapped. Which of them found the
  // mapping does not matter, and the other one gives the memory back.
  #unmapNow(request: Uint8Array): bigint {
    tryIoctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, request);
    return BigInt(this.#terms.bytes);
  }

  #tryMapAgain(): number {
    try {
      return tryIoctl(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, this.#request);
    } catch (error) {
      if (isVfioError(error) && error.code === "ERR_VFIO_CLOSED") return errnoOf("EBADF");
      throw error;
    }
  }

  #unmapRequest(): Uint8Array {
    const { iova, bytes } = this.#terms;
    return unmapStruct.encode({ iova, size: BigInt(bytes) });
  }

  readonly #unmapContext = (): IoctlContext => ({ what: `cannot unmap a lease: ${rangeText(this.#terms)}` });

  /** The kernel writes back how much there was. */
  #giveBack(request: Uint8Array): bigint {
    this.#mapping.close();
    return unmapStruct.read(request, "size");
  }

  #giveBackForgotten(error: unknown): bigint {
    if (!hasErrno(error) || !this.#isForgotten(error.errno)) throw error;
    this.#mapping.close();
    return 0n;
  }

  // A container that has no group any more has no IOMMU, forgot all mappings, and answers EINVAL to whatever is asked.
  // So does one that has an IOMMU, to a range that it cannot unmap as it is: only then can it say what it can do.
  #isForgotten(errno: number): boolean {
    if (!NO_IOMMU.has(errno)) return false;
    return NO_IOMMU.has(tryIommu(this.#container));
  }
}

/** ENODEV is what iommufd answers in VFIO's stead, ENOTTY what is no container at all. */
const NO_IOMMU: ReadonlySet<number> = new Set([errnoOf("EINVAL"), errnoOf("ENODEV"), errnoOf("ENOTTY")]);

import {
  errnoOf,
  ioctl,
  isVfioError,
  Mapping,
  tryIoctl,
  vfioIoctls,
  vfioStructs,
  VfioSystemError,
  type HasFd,
} from "@vfio/ioctl-native";
import { rangeText } from "./iova-range.js";
import { flagsOf, type LeaseTerms } from "./lease-messages.js";

const { vfio_iommu_type1_dma_map: mapStruct, vfio_iommu_type1_dma_unmap: unmapStruct } = vfioStructs;

/** A secondary's memory, mapped in this process, and from there for DMA in the container. */
export class LeasedMemory {
  readonly #container: HasFd;
  readonly #terms: LeaseTerms;
  readonly #mapping: Mapping;
  readonly #request: Uint8Array;

  private constructor(container: HasFd, terms: LeaseTerms, mapping: Mapping) {
    const { iova, bytes, access } = terms;
    this.#container = container;
    this.#terms = terms;
    this.#mapping = mapping;
    this.#request = mapStruct.encode({
      argsz: mapStruct.bytes,
      flags: flagsOf(access),
      vaddr: mapping.address,
      iova,
      size: BigInt(bytes),
    });
  }

  /** @throws VfioSystemError of `mmap` or the ioctl; VfioError `ERR_VFIO_CLOSED` if the container is closed. */
  static map(container: HasFd, terms: LeaseTerms, file: HasFd): LeasedMemory {
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
      ioctl(container, vfioIoctls.VFIO_IOMMU_MAP_DMA, memory.#request);
      return memory;
    } catch (error) {
      mapping.close();
      throw error;
    }
  }

  /**
   * Whether the container still has it. The kernel lists no mappings, but refuses to make one a second time. Where it
   * makes it, it was lost, and is undone again. Unknown counts as there.
   */
  isMapped(): boolean {
    const errno = this.#tryMapAgain();
    if (errno === 0) this.#tryUnmap();
    return errno !== 0 && !this.#isForgotten(errno);
  }

  /**
   * Undoes it, and gives the memory back.
   * @returns how many bytes of it the container had.
   * @throws VfioSystemError if the kernel refuses: it may still be mapped, so the memory stays.
   */
  unmap(): bigint {
    const [errno, bytes] = this.#tryUnmap();
    if (errno < 0 && !this.#isForgotten(errno)) {
      throw new VfioSystemError(errno, {
        syscall: "ioctl",
        ioctl: vfioIoctls.VFIO_IOMMU_UNMAP_DMA.name,
        what: `cannot unmap a lease: ${rangeText(this.#terms)}`,
      });
    }
    this.#mapping.close();
    return bytes;
  }

  #tryMapAgain(): number {
    try {
      return tryIoctl(this.#container, vfioIoctls.VFIO_IOMMU_MAP_DMA, this.#request);
    } catch (error) {
      if (isVfioError(error) && error.code === "ERR_VFIO_CLOSED") return errnoOf("EBADF");
      throw error;
    }
  }

  /** The kernel writes back how much there was. */
  #tryUnmap(): [errno: number, bytes: bigint] {
    const { iova, bytes } = this.#terms;
    const request = unmapStruct.encode({ argsz: unmapStruct.bytes, iova, size: BigInt(bytes) });
    const result = tryIoctl(this.#container, vfioIoctls.VFIO_IOMMU_UNMAP_DMA, request);
    return result < 0 ? [result, 0n] : [0, unmapStruct.read(request, "size")];
  }

  // A container that has no group any more has no IOMMU, forgot all mappings, and answers EINVAL to whatever is asked.
  // So does one that has an IOMMU, to a range that it cannot unmap as it is: only then can it say what it can do.
  #isForgotten(errno: number): boolean {
    if (!NO_IOMMU.has(errno)) return false;
    const { vfio_iommu_type1_info: info } = vfioStructs;
    const answer = tryIoctl(
      this.#container,
      vfioIoctls.VFIO_IOMMU_GET_INFO,
      info.encode({ argsz: info.bytes }),
    );
    return NO_IOMMU.has(answer);
  }
}

/** ENODEV is what iommufd answers in VFIO's stead, ENOTTY what is no container at all. */
const NO_IOMMU: ReadonlySet<number> = new Set([errnoOf("EINVAL"), errnoOf("ENODEV"), errnoOf("ENOTTY")]);

import type { HasFd, LinearPlace, Mapping } from "@vfio/ioctl-native";
import { closedError } from "@vfio/ioctl-native/internal";
import { readPhysicalAddresses } from "./physical-addresses.js";

/** Memory that lies in a `Mapping` of this process. */
export abstract class MappedMemory {
  readonly #mapping: Mapping;

  constructor(
    mapping: Mapping,
    readonly pageBytes: number,
  ) {
    this.#mapping = mapping;
  }

  /** Whole pages. */
  get bytes(): number {
    return this.#mapping.bytes;
  }

  get address(): bigint {
    return this.#mapping.address;
  }

  /** Where it begins in the `LinearMemory` it was mapped `within`. */
  get place(): LinearPlace | undefined {
    return this.#mapping.place;
  }

  /** After close its length is 0. Throws VfioError `ERR_VFIO_VIEW_SIZE` above 4 GiB in Node.js 20. */
  get buffer(): ArrayBuffer {
    return this.#mapping.buffer;
  }

  /**
   * A part of the memory, a new ArrayBuffer each time. After close its length is 0.
   * @param offset in bytes, a multiple of 8.
   * @param bytes the part's length. Default: up to the end.
   * @throws VfioRangeError `ERR_VFIO_MAP_RANGE`; VfioError `ERR_VFIO_VIEW_SIZE`, `ERR_VFIO_CLOSED`.
   */
  view(offset: number, bytes?: number): ArrayBuffer {
    return this.#mapping.view(offset, bytes);
  }

  /**
   * The physical address of each page, in order: see {@link readPhysicalAddresses}.
   * @throws VfioError `ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN` without CAP_SYS_ADMIN; `ERR_VFIO_CLOSED`.
   */
  physicalAddresses(): bigint[] {
    if (this.#mapping.closed) throw closedError(this.#mapping.name);
    return readPhysicalAddresses(this.address, this.bytes, this.pageBytes);
  }

  /** Forbids closing while something, such as a device's DMA, needs the memory: see `Mapping.hold`. */
  hold(reason: string, file?: HasFd): Disposable {
    return this.#mapping.hold(reason, file);
  }
}

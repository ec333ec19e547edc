import { printAs, fdState } from "@vfio/ioctl-native";
import type { Fd } from "@vfio/ioctl-native";
import {
  closedError,
  createMemoryFile,
  pageBytesOf,
  Mapping,
  VfioRangeError,
  type HasFd,
} from "@vfio/ioctl-native";
import { checkNumaNode, hugepageHint } from "./hugepages.js";
import { readPhysicalAddresses } from "./physical-addresses.js";
import { contiguousRuns, type Run } from "./runs.js";

/** The page size where none is said. */
export const DEFAULT_PAGE_BYTES = 2 * 1024 * 1024;

/** Where memory comes from, and in pages of which size. */
export interface PageSource {
  /** 2 MiB (2097152, the default), 1 GiB (1073741824), or, asked for explicitly, ordinary pages of 4096. */
  readonly pageBytes?: number;
  /**
   * Take the pages from this NUMA node. Default: any node. A device's own is in
   * `/sys/bus/pci/devices/ADDRESS/numa_node`, where -1 says that it has none.
   */
  readonly numaNode?: number;
  /** A mounted hugetlbfs to take the pages from. Default: an anonymous memory file. */
  readonly directory?: string;
}

/** Options of {@link HugepageMemory.allocate}. */
export interface AllocateOptions extends PageSource {
  /** How much is wanted; rounded up to whole pages. At least 1. */
  readonly bytes: number;
}

/**
 * Memory that a device can reach by DMA: hugepages that neither move nor are swapped, as one ArrayBuffer.
 *
 * The memory has an fd, so another process can {@link HugepageMemory.attach} the same pages. Nothing is left behind
 * when the last process that has it ends, however it ends.
 * @example
 * ```ts
 * import { HugepageMemory } from "@vfio/dma";
 *
 * // Ordinary pages here; without pageBytes, hugepages of 2 MiB.
 * using memory = HugepageMemory.allocate({ bytes: 10_000, pageBytes: 4096 });
 * const words = new Uint32Array(memory.buffer);
 * words[0] = 7;
 * console.log(memory.bytes, words[0]); // 12288 7
 * ```
 */
export class HugepageMemory implements HasFd, Disposable {
  static {
    printAs(HugepageMemory, (it) => ({
      bytes: it.bytes,
      pageBytes: it.pageBytes,
      address: it.address,
      ...fdState(it.#file),
    }));
  }

  /** The size of its pages: 2 MiB, 1 GiB or 4096. */
  readonly pageBytes: number;
  readonly #file: Fd;
  readonly #mapping: Mapping;

  private constructor(file: Fd, mapping: Mapping, pageBytes: number) {
    this.#file = file;
    this.#mapping = mapping;
    this.pageBytes = pageBytes;
  }

  /**
   * Allocates hugepages and takes them at once, zeroed.
   * @throws VfioSystemError `ENOMEM` when they are not to be had, saying how many are reserved, free and needed;
   * VfioRangeError `ERR_VFIO_MEMORY_SIZE`, `ERR_VFIO_NUMA_NODE`.
   */
  static allocate(options: AllocateOptions): HugepageMemory {
    const { pageBytes = DEFAULT_PAGE_BYTES, directory, numaNode } = options;
    checkNumaNode(numaNode);
    const bytes = Math.ceil(options.bytes / pageBytes) * pageBytes;
    const hint = (): string => hugepageHint(bytes, pageBytes, numaNode);
    const file = createMemoryFile({
      bytes,
      pageBytes,
      hint,
      ...(directory === undefined ? {} : { directory }),
    });
    const hintAfterwards = (): string => {
      // The failed attempt keeps the pages it got until its file is closed: they are not somebody else's.
      file.close();
      return hint();
    };
    return HugepageMemory.#map(file, bytes, pageBytes, {
      hint: hintAfterwards,
      ...(numaNode === undefined ? {} : { numaNode }),
    });
  }

  /**
   * Memory that another process allocated, from its fd.
   * @param file the fd, which now belongs to the returned object; if this throws, it is closed.
   * @param bytes the memory's size, a multiple of `pageBytes`.
   * @throws VfioRangeError `ERR_VFIO_MEMORY_SIZE` if its pages have another size; VfioSystemError ENXIO if it is shorter.
   */
  static attach(file: Fd, bytes: number, pageBytes: number): HugepageMemory {
    checkPages(file, pageBytes);
    return HugepageMemory.#map(file, bytes, pageBytes);
  }

  static #map(
    file: Fd,
    bytes: number,
    pageBytes: number,
    options: { hint?: () => string; numaNode?: number } = {},
  ): HugepageMemory {
    try {
      const mapping = Mapping.map({ file, bytes, populate: true, name: "DMA memory", ...options });
      return new HugepageMemory(file, mapping, pageBytes);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get fd(): number {
    return this.#file.fd;
  }

  /** The memory's size: the wanted bytes, rounded up to whole pages. */
  get bytes(): number {
    return this.#mapping.bytes;
  }

  /** Where the memory lies in this process. */
  get address(): bigint {
    return this.#mapping.address;
  }

  /** The whole memory. After close its length is 0. Throws VfioError `ERR_VFIO_VIEW_SIZE` above 4 GiB in Node.js 20. */
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
   * The physical address of each page, in order.
   * @throws VfioError `ERR_VFIO_PHYSICAL_ADDRESSES_HIDDEN` without CAP_SYS_ADMIN; `ERR_VFIO_CLOSED`.
   */
  physicalAddresses(): bigint[] {
    if (this.#mapping.closed) throw closedError(this.#mapping.name);
    return readPhysicalAddresses(this.address, this.bytes, this.pageBytes);
  }

  /** The physically contiguous stretches of the memory. Throws what {@link physicalAddresses} throws. */
  runs(): Run[] {
    return contiguousRuns(this.physicalAddresses(), this.pageBytes);
  }

  /** Forbids closing while something, such as a device's DMA, relies on the memory: see `Mapping.hold`. */
  hold(reason: string, file?: HasFd): Disposable {
    return this.#mapping.hold(reason, file);
  }

  /** @throws VfioError `ERR_VFIO_MAPPING_IN_USE` while it is mapped for DMA. Closing twice does nothing. */
  close(): void {
    this.#mapping.close();
    this.#file.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function checkPages(file: Fd, pageBytes: number): void {
  try {
    const actual = pageBytesOf(file);
    if (actual === pageBytes) return;
    throw new VfioRangeError(
      "ERR_VFIO_MEMORY_SIZE",
      `this memory has pages of ${actual} bytes, not of ${pageBytes}`,
    );
  } catch (error) {
    file.close();
    throw error;
  }
}

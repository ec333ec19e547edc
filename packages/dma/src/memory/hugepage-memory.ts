import {
  createMemoryFile,
  Mapping,
  type Extent,
  type Fd,
  type HasFd,
  type LinearMemory,
  type MapOptions,
  type MemoryFailure,
} from "@vfio/ioctl-native";
import { checkWaitLimits, extentsOfPages, undo, printAs, fdState } from "@vfio/ioctl-native/internal";
import { checkObject } from "../arguments.js";
import { checkNumaNode } from "./hugepages.js";
import { checkAttached, checkFd, checkRequest } from "./memory-checks.js";
import { pageHint } from "./page-hints.js";
import { MappedMemory } from "./mapped-memory.js";
import { asRun } from "./contiguous-extents.js";

export const DEFAULT_PAGE_BYTES = 2 * 1024 * 1024;

/** Where memory comes from, and its page size. */
export interface PageSource {
  /**
   * 2 MiB (2097152, the default), 1 GiB (1073741824), another hugepage size of this machine, or ordinary pages:
   * `systemPageBytes()` of `@vfio/ioctl-native`, 4096 on x86-64.
   */
  readonly pageBytes?: number;
  /**
   * Take the pages from this NUMA node. Default: any node. `describePciDevice(bdf).numaNode` of `@vfio/vfio-core` is a
   * device's own.
   */
  readonly numaNode?: number | undefined;
  /** A mounted hugetlbfs to take the pages from. Default: an anonymous memory file. */
  readonly directory?: string;
}

const NAME = "DMA memory";

/** Where else memory lies. */
export interface MemoryPlacing {
  /**
   * Lay the pages into this WebAssembly memory, too, for compiled code and other threads:
   * {@link HugepageMemory.place} says where. Hugepages need room at a multiple of their size. Default: none.
   */
  readonly within?: LinearMemory | undefined;
}

export interface AllocateOptions extends PageSource, MemoryPlacing {
  /** Rounded up to whole pages. At least 1. */
  readonly bytes: number;
}

export interface AllocateAsyncOptions extends AllocateOptions {
  /** Aborts; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface PlannedMemory extends Pick<MapOptions, "hint" | "numaNode" | "within"> {
  readonly file: Fd;
  readonly bytes: number;
  readonly pageBytes: number;
}

/**
 * Memory that a device can reach by DMA: hugepages, which are not swapped, as one ArrayBuffer. The kernel moves them
 * only when memory goes offline or a policy asks for it, and never while they are mapped for DMA.
 *
 * The memory has an fd, so another process can {@link HugepageMemory.attach} the same pages. Nothing is left behind
 * when the last process that has it ends.
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
export class HugepageMemory extends MappedMemory implements HasFd, Disposable {
  static {
    printAs(HugepageMemory, (it) => ({
      bytes: it.bytes,
      pageBytes: it.pageBytes,
      address: it.address,
      ...fdState(it.#file),
    }));
  }

  readonly #file: Fd;
  readonly #mapping: Mapping;

  private constructor(file: Fd, mapping: Mapping, pageBytes: number) {
    super(mapping, pageBytes);
    this.#file = file;
    this.#mapping = mapping;
  }

  /**
   * Allocates hugepages and takes them at once, zeroed. Blocks the thread meanwhile; {@link allocateAsync} does not.
   * @throws VfioSystemError `ENOMEM` when there are too few, saying how many are reserved, free and needed, or which
   * cgroup or mount limits them; VfioError `ERR_VFIO_MEMORY_EXHAUSTED` for more ordinary pages than the machine or a
   * cgroup has memory left for, `ERR_VFIO_NOT_HUGETLBFS`; VfioRangeError `ERR_VFIO_MEMORY_SIZE`, `ERR_VFIO_NUMA_NODE`,
   * `ERR_VFIO_DMA_ARGUMENT`.
   */
  static allocate(options: AllocateOptions): HugepageMemory {
    return HugepageMemory.#map(plannedMemory(options));
  }

  /**
   * As {@link allocate}, off the event loop: tens of gigabytes take seconds.
   * @throws what {@link allocate} throws, as a rejection; the signal's reason when aborted (`ERR_VFIO_ABORTED` if that
   * is no Error), as soon as the kernel is done: the memory is free again then.
   * @example
   * ```ts
   * import { HugepageMemory } from "@vfio/dma";
   *
   * using memory = await HugepageMemory.allocateAsync({ bytes: 16 << 20, pageBytes: 4096 });
   * console.log(memory.bytes); // 16777216
   * ```
   */
  static async allocateAsync(options: AllocateAsyncOptions): Promise<HugepageMemory> {
    checkObject(options, "an object such as { bytes: 2097152 }");
    const { signal } = options;
    checkWaitLimits({ signal });
    const { file, bytes, pageBytes, ...more } = plannedMemory(options);
    try {
      const mapping = await Mapping.mapAsync({ file, bytes, populate: true, name: NAME, ...more });
      const memory = new HugepageMemory(file, mapping, pageBytes);
      if (signal?.aborted === true) memory.close();
      checkWaitLimits({ signal });
      return memory;
    } catch (error) {
      undo(error, [() => file.close()]);
    }
  }

  /**
   * Maps memory that another process allocated, from its fd. Refuses a file that its owner could shrink: the next
   * access here would be a SIGBUS. Hugepages from a hugetlbfs directory cannot be sealed; attach only those of
   * processes that you trust. SECURITY.md says what a hostile owner can still do.
   * @param file the fd, which then belongs to the returned object and is closed if this throws. For an fd that came
   * from a primary, see `SharedMemory.file` of `@vfio/mp-sync`.
   * @param bytes the memory's size, a multiple of `pageBytes`.
   * @param placing where else to lay it.
   * @throws VfioError `ERR_VFIO_MEMORY_NOT_SEALED`, `ERR_VFIO_NOT_MEMORY` for a file that is not in memory,
   * `ERR_VFIO_MEMORY_EXHAUSTED` if the owner has not taken its pages and too few are left; VfioRangeError
   * `ERR_VFIO_MEMORY_SIZE` if its pages have another size, `ERR_VFIO_DMA_ARGUMENT`; VfioSystemError ENXIO if it is
   * shorter.
   */
  static attach(file: Fd, bytes: number, pageBytes: number, placing: MemoryPlacing = {}): HugepageMemory {
    checkFd(file);
    try {
      checkAttached(file, bytes, pageBytes);
      checkObject(placing, "an object such as { within: memory }");
    } catch (error) {
      undo(error, [() => file.close()]);
    }
    return HugepageMemory.#map({ file, bytes, pageBytes, within: placing.within });
  }

  static #map({ file, bytes, pageBytes, ...more }: PlannedMemory): HugepageMemory {
    try {
      const mapping = Mapping.map({ file, bytes, populate: true, name: NAME, ...more });
      return new HugepageMemory(file, mapping, pageBytes);
    } catch (error) {
      undo(error, [() => file.close()]);
    }
  }

  get fd(): number {
    return this.#file.fd;
  }

  /**
   * The physically contiguous parts; `iova` is the physical address, the device address in the mode `physical`. Throws
   * what {@link physicalAddresses} throws.
   */
  physicalExtents(): Extent[] {
    return extentsOfPages(this.physicalAddresses(), this.pageBytes);
  }

  /** @deprecated Use {@link physicalExtents}. */
  runs(): (Pick<Extent, "offset" | "bytes"> & {
    readonly address: bigint;
  })[] {
    return this.physicalExtents().map(asRun);
  }

  /** Closing twice does nothing. @throws VfioError `ERR_VFIO_MAPPING_IN_USE` while it is mapped for DMA. */
  close(): void {
    this.#mapping.close();
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function plannedMemory(options: AllocateOptions): PlannedMemory {
  checkRequest(options);
  const { pageBytes = DEFAULT_PAGE_BYTES, directory, numaNode, within } = options;
  checkNumaNode(numaNode);
  const bytes = Math.ceil(options.bytes / pageBytes) * pageBytes;
  const hintNow = (failure: MemoryFailure): string | undefined =>
    pageHint(failure, { bytes, pageBytes, numaNode, directory });
  const file = createMemoryFile({ bytes, pageBytes, directory, hint: hintNow });
  const hint = (failure: MemoryFailure): string | undefined => {
    // The failed attempt keeps its pages until its file is closed; they must not count as another program's.
    file.close();
    return hintNow(failure);
  };
  return { file, bytes, pageBytes, hint, within, numaNode };
}

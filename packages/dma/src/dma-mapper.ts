import { VfioError, type HasFd } from "@vfio/ioctl-native";
import { DmaMapping, type MappableMemory } from "./dma-mapping.js";
import { formatRange } from "./format.js";
import type { DmaAccess, Iommu } from "./iommu.js";
import { checkSegment } from "./map-checks.js";
import { contiguousRuns } from "./runs.js";
import type { DmaSegment } from "./segment-table.js";
import { Type1Iommu } from "./type1-iommu.js";

/** How device addresses are chosen: equal to physical addresses (1:1), or equal to this process's virtual ones. */
export type IovaMode = "physical" | "virtual";

/** Options of {@link DmaMapper}. */
export interface DmaMapperOptions {
  /** Default `physical`. */
  readonly iova?: IovaMode;
}

/** Options of {@link DmaMapper.map}. */
export interface MapMemoryOptions {
  /** Map the memory in one piece at this address instead of the mapper's mode. */
  readonly iova?: bigint;
  /** What devices may do. Default `read-write`. */
  readonly access?: DmaAccess;
}

/**
 * Maps memory for DMA by the devices of a VFIO container: anybody's container, known only by its fd.
 *
 * Physically contiguous pages are merged, so that each run of them takes one ioctl.
 */
export class DmaMapper implements Disposable {
  readonly mode: IovaMode;
  readonly #iommu: Iommu;
  readonly #mappings = new Map<DmaMapping, Disposable>();

  /** @param container a VFIO container with at least one group, or another {@link Iommu}. */
  constructor(container: HasFd | Iommu, options: DmaMapperOptions = {}) {
    this.#iommu = "fd" in container ? new Type1Iommu(container) : container;
    this.mode = options.iova ?? "physical";
  }

  /** What is mapped now. */
  get mappings(): readonly DmaMapping[] {
    return [...this.#mappings.keys()];
  }

  /**
   * Maps all of a memory. If one of its pieces fails, those before it are unmapped again.
   * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_RANGE`, `ERR_VFIO_DMA_OVERLAP`;
   * VfioSystemError `ENOMEM` (RLIMIT_MEMLOCK, explained), `ENOSPC` (mappings used up), `EEXIST`, `EINVAL`.
   */
  map(memory: MappableMemory, options: MapMemoryOptions = {}): DmaMapping {
    const segments = this.#planSegments(memory, options.iova);
    this.#check(segments);
    const mapping = new DmaMapping(memory, segments, (which) => this.unmap(which));
    const hold = memory.hold(describeSegments(segments));
    try {
      this.#mapSegments(memory, segments, options.access ?? "read-write");
    } catch (error) {
      hold[Symbol.dispose]();
      throw error;
    }
    this.#mappings.set(mapping, hold);
    return mapping;
  }

  /**
   * Takes a mapping back. Twice does nothing.
   * @throws VfioError `ERR_VFIO_UNMAP_INCOMPLETE` if the kernel took back less than was mapped: somebody else had
   * unmapped it. Nothing of it is mapped then, and the memory is free.
   */
  unmap(mapping: DmaMapping): void {
    const hold = this.#mappings.get(mapping);
    if (hold === undefined) return;
    const shortfalls = mapping.segments
      .map((segment) => this.#unmapSegment(segment))
      .filter((each) => each !== undefined);
    this.#mappings.delete(mapping);
    hold[Symbol.dispose]();
    if (shortfalls[0] !== undefined) throw shortfalls[0];
  }

  /** Takes all mappings back. */
  close(): void {
    for (const mapping of this.mappings) this.unmap(mapping);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #planSegments(memory: MappableMemory, iova: bigint | undefined): DmaSegment[] {
    if (iova !== undefined) return [{ offset: 0, iova, bytes: memory.bytes }];
    if (this.mode === "virtual") return [{ offset: 0, iova: memory.address, bytes: memory.bytes }];
    const runs = contiguousRuns(memory.physicalAddresses(), memory.pageBytes);
    return runs.map(({ offset, address, bytes }) => ({ offset, iova: address, bytes }));
  }

  #check(segments: readonly DmaSegment[]): void {
    const info = this.#iommu.info();
    const mapped = this.mappings.flatMap((mapping) => mapping.segments);
    for (const segment of segments) checkSegment(segment, info, mapped);
  }

  #mapSegments(memory: MappableMemory, segments: readonly DmaSegment[], access: DmaAccess): void {
    const done: DmaSegment[] = [];
    try {
      for (const segment of segments) {
        this.#iommu.map(memory.address + BigInt(segment.offset), segment.iova, segment.bytes, access);
        done.push(segment);
      }
    } catch (error) {
      for (const segment of done) this.#unmapSegment(segment);
      throw error;
    }
  }

  /** Returns what is wrong if the kernel took back less than the segment. */
  #unmapSegment({ iova, bytes }: DmaSegment): VfioError | undefined {
    const unmapped = this.#iommu.unmap(iova, bytes);
    if (unmapped === bytes) return undefined;
    return new VfioError(
      "ERR_VFIO_UNMAP_INCOMPLETE",
      `the kernel unmapped ${unmapped} of ${bytes} bytes at IOVA ${formatRange(iova, bytes)}`,
      { hint: "Something else with this container's fd had unmapped it: devices may have faulted meanwhile" },
    );
  }
}

function describeSegments(segments: readonly DmaSegment[]): string {
  const [first] = segments;
  const others = segments.length > 1 ? ` and ${segments.length - 1} more` : "";
  return `the DMA mapping of IOVA ${first === undefined ? "nothing" : formatRange(first.iova, first.bytes)}${others}`;
}

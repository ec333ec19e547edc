import { errnoOf, VfioError, VfioSystemError, type IommuInfo } from "@vfio/ioctl-native";
import type { DmaMapping } from "./dma-mapping.js";
import { formatRange } from "./format.js";
import type { Iommu } from "./iommu.js";
import type { IovaAllocator } from "./iova-allocator.js";
import type { DmaSegment } from "./iova-table.js";
import { checkSegment } from "./map-checks.js";
import { MappedRanges } from "./mapped-ranges.js";
import { checkPagesStayed } from "./pages-stayed.js";
import { planSegments, type IovaSource } from "./plan-segments.js";

const WHOLE_SPACE = [{ start: 0n, end: (1n << 64n) - 1n }];

/** How an installer chooses device addresses. */
export interface InstallerOptions {
  readonly mode: "physical" | "virtual" | "allocate";
  readonly allocator: IovaAllocator;
  readonly addressBits: number;
}

/** Puts mappings into the IOMMU and takes them out again, each as a whole or not at all. */
export class MappingInstaller {
  readonly ranges = new MappedRanges();
  readonly #iommu: Iommu;
  readonly #options: InstallerOptions;
  /** The IOVA that each mapping has from the allocator. */
  readonly #allocated = new Map<DmaMapping, bigint>();

  constructor(iommu: Iommu, options: InstallerOptions) {
    this.#iommu = iommu;
    this.#options = options;
  }

  /** `undefined` while the container has no group: then it has no IOMMU type, and the kernel answers EINVAL. */
  info(): IommuInfo | undefined {
    try {
      return this.#iommu.info();
    } catch (error) {
      if (error instanceof VfioSystemError && error.errno === errnoOf("EINVAL")) return undefined;
      throw error;
    }
  }

  /** Maps all of a mapping's memory; what was mapped of it before a failure is unmapped again. */
  install(mapping: DmaMapping, info: IommuInfo): void {
    this.#options.allocator.useRanges(info.iovaRanges ?? WHOLE_SPACE);
    const done: DmaSegment[] = [];
    try {
      const source = this.#iovaSource(mapping);
      const segments = planSegments(mapping.memory, mapping.plan, source);
      for (const segment of segments) {
        checkSegment(segment, info, this.#options.addressBits);
        this.ranges.checkFree(segment);
      }
      for (const segment of segments) {
        this.#iommu.map(addressOf(mapping, segment), segment.iova, segment.bytes, mapping.plan.access);
        this.ranges.add(segment);
        done.push(segment);
      }
      if (source === "physical") checkPagesStayed(mapping.memory, mapping.plan, segments);
      mapping.setSegments(segments);
    } catch (error) {
      this.#unmap(done);
      this.releaseIova(mapping);
      throw error;
    }
  }

  /** Takes pieces of a mapping back. Returns what is wrong if the kernel took back less than it should have. */
  takeBack(segments: readonly DmaSegment[]): VfioError | undefined {
    if (this.info() !== undefined) return this.#unmap(segments);
    // Without a group there is nothing to unmap: the kernel has forgotten every mapping.
    for (const segment of segments) this.ranges.remove(segment);
    return undefined;
  }

  /** Gives a mapping's IOVAs back to the allocator. */
  releaseIova(mapping: DmaMapping): void {
    const iova = this.#allocated.get(mapping);
    if (iova !== undefined) this.#options.allocator.release(iova);
    this.#allocated.delete(mapping);
  }

  /** True if the kernel still has a mapping. It cannot be asked, but it refuses to map the same range twice. */
  isInPlace(mapping: DmaMapping): boolean {
    const [first] = mapping.segments;
    if (first === undefined) return false;
    try {
      this.#iommu.map(addressOf(mapping, first), first.iova, first.bytes, mapping.plan.access);
    } catch (error) {
      if (error instanceof VfioSystemError && error.errno === errnoOf("EEXIST")) return true;
      throw error;
    }
    this.#iommu.unmap(first.iova, first.bytes);
    return false;
  }

  #iovaSource(mapping: DmaMapping): IovaSource {
    const { memory, plan } = mapping;
    const { mode, allocator } = this.#options;
    if (mode !== "allocate") return plan.iova ?? (mode === "physical" ? "physical" : memory.address);
    const known = this.#allocated.get(mapping);
    if (known !== undefined) return known;
    // Aligned to the memory's pages, so that the IOMMU can use pages as large.
    const iova = plan.iova ?? allocator.allocate(memory.bytes, memory.pageBytes);
    if (plan.iova !== undefined) allocator.claim(plan.iova, memory.bytes);
    this.#allocated.set(mapping, iova);
    return iova;
  }

  #unmap(segments: readonly DmaSegment[]): VfioError | undefined {
    let shortfall: VfioError | undefined;
    for (const segment of segments) {
      const unmapped = this.#iommu.unmap(segment.iova, segment.bytes);
      this.ranges.remove(segment);
      if (unmapped !== segment.bytes) shortfall ??= incompleteError(segment, unmapped);
    }
    return shortfall;
  }
}

function addressOf({ memory }: DmaMapping, { offset }: DmaSegment): bigint {
  return memory.address + BigInt(offset);
}

function incompleteError({ iova, bytes }: DmaSegment, unmapped: number): VfioError {
  return new VfioError(
    "ERR_VFIO_UNMAP_INCOMPLETE",
    `the kernel unmapped ${unmapped} of ${bytes} bytes at IOVA ${formatRange(iova, bytes)}`,
    { hint: "Something else with this container's fd had unmapped it: devices may have faulted meanwhile" },
  );
}

import { errnoOf, isVfioError, VfioError, VfioSystemError, type IommuInfo } from "@vfio/ioctl-native";
import { bigIntOf } from "./halves.js";
import type { IovaMode } from "./dma-mapper.js";
import type { DmaMapping } from "./dma-mapping.js";
import { formatRange } from "./format.js";
import type { Iommu } from "./iommu.js";
import { sameRanges, type IovaAllocator } from "./iova-allocator.js";
import type { DmaSegment } from "./iova-table.js";
import { joined } from "./joined.js";
import { checkSegment, checkWithoutIommu } from "./map-checks.js";
import { MappedRanges } from "./mapped-ranges.js";
import { checkPagesStayed } from "./pages-stayed.js";
import { planStretches, type IovaSource } from "./plan-segments.js";

const WHOLE_SPACE = [{ start: 0n, end: (1n << 64n) - 1n }];

/** How an installer chooses device addresses. */
export interface InstallerOptions {
  readonly mode: IovaMode;
  readonly allocator: IovaAllocator;
  readonly addressBits: number;
}

/** Puts mappings into the IOMMU and takes them out again, each as a whole or not at all. */
export class MappingInstaller {
  /** What mappings have or had, and come back to: nobody else gets it before they are unmapped. */
  readonly #ranges = new MappedRanges();
  readonly #iommu: Iommu;
  readonly #options: InstallerOptions;
  /** Where mappings that wait for a group are to go, if that is known already. */
  readonly #promised = new Map<DmaMapping, DmaSegment>();
  /** What the IOMMU said last. */
  #info: IommuInfo | undefined;

  constructor(iommu: Iommu, options: InstallerOptions) {
    this.#iommu = iommu;
    this.#options = options;
  }

  /** What the IOMMU said last, or says now if it was not asked yet; `undefined` if it cannot be asked. */
  get knownInfo(): IommuInfo | undefined {
    try {
      return this.#info ?? this.refresh();
    } catch {
      return undefined;
    }
  }

  /** Asks the IOMMU anew. `undefined` while the container has no group: then it has no type, and says EINVAL. */
  refresh(): IommuInfo | undefined {
    try {
      this.#info = this.#iommu.info();
    } catch (error) {
      if (!isErrno(error, "EINVAL")) throw error;
      this.#info = undefined;
    }
    return this.#info;
  }

  /**
   * Maps a mapping's memory, or makes it anew where it was; what was mapped of it before a failure is unmapped again.
   * While the container has no group, nothing is done: the mapping waits.
   */
  install(mapping: DmaMapping): void {
    const info = this.#info ?? this.refresh();
    if (info === undefined) return this.#promise(mapping);
    try {
      this.#installWithin(mapping, info);
    } catch (error) {
      // What the IOMMU can do is asked once and not for every mapping, so it may have changed with the groups.
      if (!mayBeOutdated(error)) throw error;
      const now = this.refresh();
      if (now === undefined) return this.#promise(mapping);
      if (sameRules(now, info)) throw error;
      this.#installWithin(mapping, now);
    }
  }

  /** Takes parts of a mapping back for good. Returns what is wrong if the kernel took back less than it should have. */
  takeBack(mapping: DmaMapping, stretches: readonly DmaSegment[]): VfioError | undefined {
    return this.#unmap(stretches, (stretch) => {
      this.#ranges.remove(stretch);
      mapping.withdraw(stretch);
    });
  }

  /** Gives a mapping's IOVAs free: it does not come back. */
  release(mapping: DmaMapping): void {
    for (const stretch of mapping.known) this.#ranges.remove(stretch);
    this.#releaseAllocated(mapping);
  }

  /** True if the kernel still has a mapping. It cannot be asked, but it refuses to map a page of the same range twice. */
  isInPlace({ memory, stretches, plan }: DmaMapping): boolean {
    const [first] = stretches;
    if (first === undefined) return false;
    try {
      this.#iommu.map(memory.address + bigIntOf(first.offset), first.iova, memory.pageBytes, plan.access);
    } catch (error) {
      // For any other reason the mapping cannot be made anew either, and that attempt tells why.
      return isErrno(error, "EEXIST");
    }
    this.#iommu.unmap(first.iova, memory.pageBytes);
    return false;
  }

  /** What is wrong with a fixed IOVA is told to whoever asked for it, and not when a group joins. */
  #promise(mapping: DmaMapping): void {
    const { memory, plan, known } = mapping;
    if (plan.iova === undefined || known.length > 0) return;
    const stretch = { offset: 0, iova: plan.iova, bytes: memory.bytes };
    checkWithoutIommu(stretch, this.#options.addressBits);
    this.#ranges.checkFree(stretch);
    const promised = new MappedRanges();
    for (const each of this.#promised.values()) promised.add(each);
    promised.checkFree(stretch);
    this.#promised.set(mapping, stretch);
  }

  #installWithin(mapping: DmaMapping, info: IommuInfo): void {
    this.#promised.delete(mapping);
    this.#options.allocator.useRanges(info.iovaRanges ?? WHOLE_SPACE);
    const done: DmaSegment[] = [];
    try {
      const isNew = mapping.known.length === 0;
      const source = isNew ? this.#iovaSource(mapping, info) : undefined;
      const stretches = source === undefined ? mapping.known : planStretches(mapping.memory, source);
      for (const stretch of stretches) {
        checkSegment(stretch, info, this.#options.addressBits);
        if (isNew) this.#ranges.checkFree(stretch);
      }
      for (const stretch of stretches) this.#mapStretch(mapping, stretch, done);
      if (source === "physical") checkPagesStayed(mapping.memory, stretches);
      if (isNew) for (const stretch of stretches) this.#ranges.add(stretch);
      mapping.place(stretches);
    } catch (error) {
      const shortfall = this.#undo(mapping, done, error);
      if (shortfall === undefined) throw error;
      throw new AggregateError(
        [error, shortfall],
        `${describe(error)}; and in undoing it, ${shortfall.message}`,
      );
    }
  }

  /** Notes each part in `done` as soon as it is mapped: what comes before a failure has to be undone. */
  #mapStretch(mapping: DmaMapping, stretch: DmaSegment, done: DmaSegment[]): void {
    for (let at = 0; at < stretch.bytes;) {
      const rest = at === 0 ? stretch : restOf(stretch, at);
      const bytes = this.#mapSome(mapping, rest);
      done.push({ offset: rest.offset, iova: rest.iova, bytes });
      at += bytes;
    }
  }

  /** Maps one piece at least, and returns how many bytes it were. */
  #mapSome(mapping: DmaMapping, { offset, iova, bytes }: DmaSegment): number {
    const { access, pieceBytes = bytes } = mapping.plan;
    const address = mapping.memory.address + bigIntOf(offset);
    const wanted = mapping.memory.bytes - offset;
    if (bytes > pieceBytes && this.#iommu.mapPieces !== undefined) {
      return this.#iommu.mapPieces(address, iova, bytes, access, pieceBytes, wanted);
    }
    const piece = Math.min(bytes, pieceBytes);
    this.#iommu.map(address, iova, piece, access, wanted);
    return piece;
  }

  /** @throws VfioError `ERR_VFIO_ROLLBACK_FAILED` if something may still be mapped. */
  #undo(mapping: DmaMapping, done: readonly DmaSegment[], cause: unknown): VfioError | undefined {
    const isNew = mapping.known.length === 0;
    let shortfall: VfioError | undefined;
    try {
      shortfall = this.#unmap(joined(done));
    } catch (error) {
      if (isNew) for (const stretch of joined(done)) this.#ranges.add(stretch);
      const causes = new AggregateError([cause, error], "the failure, and that of undoing");
      throw new VfioError(
        "ERR_VFIO_ROLLBACK_FAILED",
        `mapping failed, and so did undoing it: ${describe(cause)}`,
        {
          hint: "Devices may still reach a part of the memory, so it stays held: close the container",
          cause: causes,
        },
      );
    }
    if (isNew) this.#releaseAllocated(mapping);
    return shortfall;
  }

  /**
   * True if there is nothing to unmap any more: without a group the kernel has forgotten every mapping; and a closed
   * container cannot be asked, but what VFIO pinned stays out of anybody else's hands until it is unpinned.
   */
  #hasForgotten(error: unknown): boolean {
    if (isErrno(error, "EBADF") || (isVfioError(error) && error.code === "ERR_VFIO_CLOSED")) return true;
    return isErrno(error, "EINVAL") && this.refresh() === undefined;
  }

  #iovaSource(mapping: DmaMapping, { smallestPage }: IommuInfo): IovaSource {
    const { memory, plan } = mapping;
    const { mode, allocator } = this.#options;
    if (mode !== "allocate") return plan.iova ?? (mode === "physical" ? "physical" : memory.address);
    if (mapping.allocated !== undefined) return mapping.allocated;
    // Aligned to the memory's pages, so that the IOMMU can use pages as large.
    const iova = plan.iova ?? allocator.allocate(memory.bytes, Math.max(memory.pageBytes, smallestPage));
    if (plan.iova !== undefined) allocator.claim(plan.iova, memory.bytes);
    mapping.allocated = iova;
    return iova;
  }

  #releaseAllocated(mapping: DmaMapping): void {
    this.#promised.delete(mapping);
    if (mapping.allocated !== undefined) this.#options.allocator.release(mapping.allocated);
    mapping.allocated = undefined;
  }

  /** Whatever the number of pieces, a stretch of them goes with one ioctl: the kernel unmaps every mapping inside it. */
  #unmap(
    stretches: readonly DmaSegment[],
    onUnmapped?: (stretch: DmaSegment) => void,
  ): VfioError | undefined {
    let shortfall: VfioError | undefined;
    for (const stretch of stretches) {
      const unmapped = this.#unmapped(stretch);
      if (unmapped !== stretch.bytes) shortfall ??= incompleteError(stretch, unmapped);
      onUnmapped?.(stretch);
    }
    return shortfall;
  }

  /** How much the kernel took back of a stretch: all of it, if it has forgotten it. */
  #unmapped({ iova, bytes }: DmaSegment): number {
    try {
      return this.#iommu.unmap(iova, bytes);
    } catch (error) {
      if (!this.#hasForgotten(error)) throw error;
      return bytes;
    }
  }
}

function restOf({ offset, iova, bytes }: DmaSegment, from: number): DmaSegment {
  return { offset: offset + from, iova: iova + bigIntOf(from), bytes: bytes - from };
}

function isErrno(error: unknown, name: "EINVAL" | "EEXIST" | "EBADF"): boolean {
  return error instanceof VfioSystemError && error.errno === errnoOf(name);
}

/** True for what may be owed to rules that have changed since they were read. */
function mayBeOutdated(error: unknown): boolean {
  const codes = ["ERR_VFIO_IOVA_OUT_OF_RANGE", "ERR_VFIO_IOVA_EXHAUSTED"];
  return isErrno(error, "EINVAL") || (isVfioError(error) && codes.includes(error.code));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The number of mappings left, which changes all the time, is no rule. */
function sameRules(one: IommuInfo, other: IommuInfo): boolean {
  return one.smallestPage === other.smallestPage && sameRanges(one.iovaRanges ?? [], other.iovaRanges ?? []);
}

function incompleteError({ iova, bytes }: DmaSegment, unmapped: number): VfioError {
  return new VfioError(
    "ERR_VFIO_UNMAP_INCOMPLETE",
    `the kernel unmapped ${unmapped} of ${bytes} bytes at IOVA ${formatRange(iova, bytes)}`,
    {
      hint:
        "Something else with this container's fd had unmapped it, or its last group had left meanwhile " +
        "(after a group has joined, call mapper.replay()): devices may have faulted",
    },
  );
}

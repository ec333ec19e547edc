import type { IommuInfo, VfioError } from "@vfio/ioctl-native";
import { bigIntOf } from "./halves.js";
import { hasCode } from "./has-code.js";
import type { IovaMode } from "./dma-mapper.js";
import type { DmaMapping, MappableMemory } from "./dma-mapping.js";
import { answerError, incompleteError, rollbackError, shortfallError } from "./install-errors.js";
import type { Iommu } from "./iommu.js";
import type { IovaAllocator } from "./iova-allocator.js";
import type { DmaSegment } from "./iova-table.js";
import { joined } from "./joined.js";
import { checkSegment, checkWithoutIommu } from "./map-checks.js";
import { MappedRanges } from "./mapped-ranges.js";
import { checkPagesStayed } from "./pages-stayed.js";
import { planStretches, type IovaSource } from "./plan-segments.js";
import { Retries } from "./retries.js";

const WHOLE_SPACE = [{ start: 0n, end: (1n << 64n) - 1n }];

/** How an installer chooses device addresses. */
export interface InstallerOptions {
  readonly mode: IovaMode;
  readonly allocator: IovaAllocator;
  readonly addressBits: number;
}

/** A mapping on its way into the IOMMU. */
interface Attempt {
  readonly mapping: DmaMapping;
  /** False if it comes back to where it was. */
  readonly isNew: boolean;
  readonly stretches: readonly DmaSegment[];
  /** What is mapped already: what has to be undone after a failure. */
  readonly done: DmaSegment[];
}

/** Puts mappings into the IOMMU and takes them out again, each as a whole or not at all. */
export class MappingInstaller {
  /** What mappings have or had, and come back to: nobody else gets it before they are unmapped. */
  readonly #ranges = new MappedRanges();
  readonly #iommu: Iommu;
  readonly #options: InstallerOptions;
  /** Where mappings that wait for a group are to go, if that is known already. */
  readonly #promised = new Map<DmaMapping, DmaSegment>();
  readonly #promisedRanges = new MappedRanges();
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
      if (!hasCode(error, "EINVAL")) throw error;
      this.#info = undefined;
      // With its last group a container loses all mappings, those of others too.
      this.#options.allocator.forgetAvoided();
    }
    return this.#info;
  }

  /**
   * Maps a mapping's memory, or makes it anew where it was; what was mapped of it before a failure is unmapped again.
   * While the container has no group, nothing is done: the mapping waits.
   */
  install(mapping: DmaMapping): void {
    const retries = new Retries();
    while (!this.#tryToInstall(mapping, retries));
  }

  /** Takes parts of a mapping back for good, as far as that succeeds. Returns what is wrong if it was less than it should be. */
  takeBack(mapping: DmaMapping, stretches: readonly DmaSegment[]): VfioError | undefined {
    const done: DmaSegment[] = [];
    try {
      return this.#unmap(stretches, done);
    } finally {
      for (const stretch of done) this.#ranges.remove(stretch);
      mapping.withdraw(done);
    }
  }

  /** Gives a mapping's IOVAs free: it does not come back. */
  release(mapping: DmaMapping): void {
    for (const stretch of mapping.known) this.#ranges.remove(stretch);
    this.#releaseAllocated(mapping);
  }

  /**
   * True if the kernel still has a mapping, false if it has forgotten it. It cannot be asked, but it refuses to map a
   * page of the same range twice.
   * @throws whatever leaves that open: the mapping then counts as in place, since devices may reach the memory.
   * VfioError `ERR_VFIO_ROLLBACK_FAILED` if the page may still be mapped with which that was tried.
   */
  isInPlace(mapping: DmaMapping): boolean {
    const { memory, stretches, plan } = mapping;
    const [first] = stretches;
    if (first === undefined) return false;
    try {
      this.#iommu.map(memory.address + bigIntOf(first.offset), first.iova, memory.pageBytes, plan.access);
    } catch (error) {
      return this.#isRefusedInPlace(mapping, error);
    }
    try {
      this.#unmapped({ ...first, bytes: memory.pageBytes });
    } catch (error) {
      throw rollbackError("a page was mapped, to see whether a mapping is still there", [error]);
    }
    return false;
  }

  #isRefusedInPlace({ stretches }: DmaMapping, error: unknown): boolean {
    if (hasCode(error, "EEXIST")) return true;
    if (this.#hasNoGroup(error)) return false;
    // The kernel's EINVAL names no rule; one of these may be it.
    const info = this.#info;
    if (info !== undefined) this.#checkAll(stretches, info);
    throw error;
  }

  /** What is wrong with a fixed IOVA is told to whoever asked for it, and not when a group joins. */
  #promise(mapping: DmaMapping): void {
    const { memory, plan, known } = mapping;
    if (plan.iova === undefined || known.length > 0) return;
    const stretch = { offset: 0, iova: plan.iova, bytes: memory.bytes };
    checkWithoutIommu(stretch, this.#options.addressBits);
    this.#ranges.checkFree(stretch);
    this.#withdrawPromise(mapping);
    this.#promisedRanges.add(stretch);
    this.#promised.set(mapping, stretch);
  }

  #withdrawPromise(mapping: DmaMapping): void {
    const promised = this.#promised.get(mapping);
    if (promised === undefined) return;
    this.#promised.delete(mapping);
    this.#promisedRanges.remove(promised);
  }

  /** @returns false if another attempt is worth it. */
  #tryToInstall(mapping: DmaMapping, retries: Retries): boolean {
    const info = this.#info ?? this.refresh();
    if (info === undefined) return (this.#promise(mapping), true);
    try {
      const attempt = this.#begin(mapping, info);
      this.#mapAll(attempt, retries);
      mapping.place(attempt.stretches);
      return true;
    } catch (error) {
      const refresh = (): IommuInfo | undefined => this.#infoAfter(error);
      if (retries.areWorthIt(error, info, this.#options.allocator, refresh)) return false;
      throw error;
    }
  }

  #mapAll(attempt: Attempt, retries: Retries): void {
    const { mapping, stretches } = attempt;
    try {
      for (const stretch of stretches) this.#mapStretch(attempt, stretch);
      if (attempt.isNew && this.#isPhysical(mapping)) checkPagesStayed(mapping.memory, stretches);
    } catch (error) {
      this.#undo(attempt, error, retries);
      throw error;
    }
  }

  /** Chooses and takes the addresses of a mapping. */
  #begin(mapping: DmaMapping, info: IommuInfo): Attempt {
    this.#withdrawPromise(mapping);
    this.#options.allocator.useRanges(info.iovaRanges ?? WHOLE_SPACE);
    const { known } = mapping;
    if (known.length > 0) {
      this.#checkAll(known, info);
      return { mapping, isNew: false, stretches: known, done: [] };
    }
    try {
      const stretches = planStretches(mapping.memory, this.#iovaSource(mapping));
      this.#checkAll(stretches, info);
      this.#ranges.addAll(stretches);
      return { mapping, isNew: true, stretches, done: [] };
    } catch (error) {
      this.#releaseAllocated(mapping);
      throw error;
    }
  }

  #checkAll(stretches: readonly DmaSegment[], info: IommuInfo): void {
    for (const stretch of stretches) checkSegment(stretch, info, this.#options.addressBits);
  }

  /** Notes each part in `done` as soon as it is mapped: what comes before a failure has to be undone. */
  #mapStretch({ mapping, done }: Attempt, stretch: DmaSegment): void {
    for (let at = 0; at < stretch.bytes;) {
      const rest = at === 0 ? stretch : restOf(stretch, at);
      const bytes = this.#mapSome(mapping, rest);
      const isAnswer = bytes > 0 && bytes <= rest.bytes;
      done.push(isAnswer ? { offset: rest.offset, iova: rest.iova, bytes } : rest);
      if (!isAnswer) throw answerError(rest, bytes);
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

  /**
   * Unmaps what was mapped before a failure, and gives the addresses back.
   * @throws VfioError `ERR_VFIO_ROLLBACK_FAILED` if something may still be mapped: its addresses stay taken then.
   */
  #undo(attempt: Attempt, cause: unknown, retries: Retries): void {
    const shortfall = this.#unmapDone(attempt, cause);
    if (attempt.isNew) {
      for (const stretch of attempt.stretches) this.#ranges.remove(stretch);
      const { allocated } = attempt.mapping;
      this.#releaseAllocated(attempt.mapping);
      if (this.#isChosen(attempt.mapping) && allocated !== undefined && hasCode(cause, "EEXIST"))
        this.#avoid(attempt, allocated, retries);
    }
    if (shortfall !== undefined) throw shortfallError(cause, shortfall);
  }

  #unmapDone({ done }: Attempt, cause: unknown): VfioError | undefined {
    try {
      return this.#unmap(joined(done));
    } catch (error) {
      throw rollbackError("mapping failed", [cause, error]);
    }
  }

  /** Somebody else's mapping has a part of the piece that came next: it is not chosen again. */
  #avoid({ mapping, done }: Attempt, allocated: bigint, retries: Retries): void {
    const before = done.reduce((sum, { bytes }) => sum + bytes, 0);
    const rest = mapping.memory.bytes - before;
    const piece = Math.min(mapping.plan.pieceBytes ?? rest, rest);
    this.#options.allocator.avoid(
      allocated + bigIntOf(before),
      retries.stepOver(piece, this.#alignmentOf(mapping.memory)),
    );
  }

  #isPhysical({ plan }: DmaMapping): boolean {
    return this.#options.mode === "physical" && plan.iova === undefined;
  }

  /** True if any address is as good as another. */
  #isChosen({ plan }: DmaMapping): boolean {
    return this.#options.mode === "allocate" && plan.iova === undefined;
  }

  #iovaSource(mapping: DmaMapping): IovaSource {
    const { memory, plan } = mapping;
    const { mode, allocator } = this.#options;
    if (mode !== "allocate") return plan.iova ?? (mode === "physical" ? "physical" : memory.address);
    const iova = plan.iova ?? allocator.allocate(memory.bytes, this.#alignmentOf(memory));
    if (plan.iova !== undefined) allocator.claim(plan.iova, memory.bytes);
    mapping.allocated = iova;
    return iova;
  }

  /** Aligned to the memory's pages, the IOMMU can use pages as large. */
  #alignmentOf({ pageBytes }: MappableMemory): number {
    return Math.max(pageBytes, this.#info?.smallestPage ?? pageBytes);
  }

  #releaseAllocated(mapping: DmaMapping): void {
    this.#withdrawPromise(mapping);
    if (mapping.allocated !== undefined) this.#options.allocator.release(mapping.allocated);
    mapping.allocated = undefined;
  }

  /**
   * Whatever the number of pieces, a stretch of them goes with one ioctl: the kernel unmaps every mapping inside it.
   * @param done gets each stretch of which nothing is mapped any more.
   */
  #unmap(stretches: readonly DmaSegment[], done: DmaSegment[] = []): VfioError | undefined {
    let shortfall: VfioError | undefined;
    for (const stretch of stretches) {
      const unmapped = this.#unmapped(stretch);
      if (unmapped !== stretch.bytes) shortfall ??= incompleteError(stretch, unmapped);
      done.push(stretch);
    }
    return shortfall;
  }

  /** How much the kernel took back of a stretch: all of it, if it has forgotten it. */
  #unmapped({ iova, bytes }: DmaSegment): number {
    try {
      return this.#iommu.unmap(iova, bytes);
    } catch (error) {
      if (isClosed(error) || this.#hasNoGroup(error)) return bytes;
      throw error;
    }
  }

  /** True if that is why something failed. Without a group, the kernel has forgotten every mapping. */
  #hasNoGroup(failure: unknown): boolean {
    return hasCode(failure, "EINVAL") && this.#infoAfter(failure) === undefined;
  }

  /** What the IOMMU says after a failure, which is thrown if that cannot be found out. */
  #infoAfter(failure: unknown): IommuInfo | undefined {
    try {
      return this.refresh();
    } catch {
      throw failure;
    }
  }
}

/** A closed container cannot be asked, but what VFIO pinned stays out of anybody else's hands until it is unpinned. */
function isClosed(error: unknown): boolean {
  return hasCode(error, "EBADF") || hasCode(error, "ERR_VFIO_CLOSED");
}

function restOf({ offset, iova, bytes }: DmaSegment, from: number): DmaSegment {
  return { offset: offset + from, iova: iova + bigIntOf(from), bytes: bytes - from };
}

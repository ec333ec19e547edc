import type { Extent, IovaRange, VfioError, MappableMemory } from "@vfio/ioctl-native";
import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { bigIntOf, joinAdjacent, rangeOf, RangeSet } from "@vfio/ioctl-native/internal";
import { checkFree } from "../arguments.js";
import { hasCode } from "../has-code.js";
import type { IovaMode } from "../iova/iova-mode.js";
import type { DmaMapping } from "./dma-mapping.js";
import { groupsChangedError, rollbackError, shortfallError } from "./install-errors.js";
import { InstallAttempt } from "./install-attempt.js";
import type { KnownSpace } from "../spaces/known-space.js";
import type { IovaAllocator } from "../iova/iova-allocator.js";
import { checkExtent, checkWithoutIommu } from "./map-checks.js";
import { checkPagesStayed } from "../memory/pages-stayed.js";
import { planExtents, type IovaSource } from "./plan-extents.js";
import { Retries } from "./retries.js";

const WHOLE_SPACE = [{ start: 0n, end: (1n << 64n) - 1n }];
/** Why a range is in the way of a mapping. */
const OVERLAPPED = "which another mapping has";

export interface InstallerOptions {
  readonly mode: IovaMode;
  readonly allocator: IovaAllocator;
  readonly addressBits: number;
}

export interface InstallCaller {
  /** Throws to stop. */
  check(): void;
  /** Called as soon as the mapping is in place, or waits for a group. */
  settle(): void;
}

/** Puts mappings into the IOMMU and takes them out, each as a whole or not at all. */
export class MappingInstaller {
  /** The ranges mappings have or come back to: nobody else gets them before they are unmapped. */
  readonly #ranges = new RangeSet();
  readonly #known: KnownSpace;
  readonly #options: InstallerOptions;
  /** Where mappings that wait for a group are to go, if known already. */
  readonly #promised = new Map<DmaMapping, IovaRange>();
  readonly #promisedRanges = new RangeSet();
  #epoch = 0;

  constructor(known: KnownSpace, options: InstallerOptions) {
    this.#known = known;
    this.#options = options;
  }

  /**
   * Maps a mapping's memory, or makes it anew where it was; undoes everything on failure. While the container has no
   * group, the mapping waits.
   */
  install(mapping: DmaMapping): void {
    const retries = new Retries();
    while (!this.#tryToInstall(mapping, retries));
  }

  async installAsync(mapping: DmaMapping, caller: InstallCaller): Promise<void> {
    const retries = new Retries();
    while (!(await this.#tryToInstallAsync(mapping, retries, caller)));
  }

  /** Call when groups have come or gone: maps in progress begin anew, since the kernel may have forgotten a part. */
  groupsChanged(): void {
    this.#epoch++;
  }

  /** Unmaps parts of a mapping for good. @returns the error if the kernel unmapped too little. */
  takeBack(mapping: DmaMapping, extents: readonly Extent[]): VfioError | undefined {
    const done: Extent[] = [];
    try {
      return this.#known.unmap(extents, done);
    } finally {
      for (const extent of done) this.#ranges.cut(rangeOf(extent));
      mapping.withdraw(done);
    }
  }

  async takeBackAsync(mapping: DmaMapping, extents: readonly Extent[]): Promise<VfioError | undefined> {
    const done: Extent[] = [];
    try {
      return await this.#known.unmapAsync(extents, done);
    } finally {
      for (const extent of done) this.#ranges.cut(rangeOf(extent));
      mapping.withdraw(done);
    }
  }

  /** Frees a mapping's IOVAs: it does not come back. */
  release(mapping: DmaMapping): void {
    for (const extent of mapping.known) this.#ranges.cut(rangeOf(extent));
    this.#releaseAllocated(mapping);
  }

  /**
   * Whether the kernel still has a mapping. It cannot be asked, but it refuses to map a page of the same range twice.
   * @throws whatever leaves that open: the mapping then counts as in place, since devices may reach the memory.
   * VfioError `ERR_VFIO_ROLLBACK_FAILED` if the probe's page may still be mapped.
   */
  isInPlace(mapping: DmaMapping): boolean {
    const { memory, extents, plan } = mapping;
    const [first] = extents;
    if (first === undefined) return false;
    try {
      this.#known.space.map(memory, first.offset, memory.pageBytes, first.iova, plan.access);
    } catch (error) {
      return this.#isRefusedInPlace(mapping, error);
    }
    try {
      this.#known.unmap([{ ...first, bytes: memory.pageBytes }]);
    } catch (error) {
      throw rollbackError("a page was mapped, to see whether a mapping is still there", [error]);
    }
    return false;
  }

  #isRefusedInPlace({ extents }: DmaMapping, error: unknown): boolean {
    if (hasCode(error, "EEXIST")) return true;
    if (this.#known.hasNoGroup(error)) return false;
    // The kernel's EINVAL names no rule; these checks may.
    const { info } = this.#known;
    if (info !== undefined) this.#checkAll(extents, info);
    throw error;
  }

  /** Checks a fixed IOVA for the caller who asked for it, rather than when a group joins. */
  #promise(mapping: DmaMapping): void {
    const { memory, plan, known } = mapping;
    if (plan.iova === undefined || known.length > 0) return;
    const extent = { offset: 0, iova: plan.iova, bytes: memory.bytes };
    const range = rangeOf(extent);
    checkWithoutIommu(extent, this.#options.addressBits);
    checkFree(this.#ranges, range, OVERLAPPED);
    this.#releaseAllocated(mapping);
    // Keeps the allocator from giving it to a mapping that waits too, and comes first.
    if (this.#options.mode === "allocate") this.#claim(mapping, plan.iova);
    checkFree(this.#promisedRanges, range, OVERLAPPED);
    this.#promisedRanges.add(range);
    this.#promised.set(mapping, range);
  }

  #withdrawPromise(mapping: DmaMapping): void {
    const promised = this.#promised.get(mapping);
    if (promised === undefined) return;
    this.#promised.delete(mapping);
    this.#promisedRanges.cut(promised);
  }

  #tryToInstall(mapping: DmaMapping, retries: Retries): boolean {
    const info = this.#known.info;
    if (info === undefined) return (this.#promise(mapping), true);
    try {
      const attempt = this.#begin(mapping, info);
      this.#run(attempt, retries);
      mapping.place(attempt.extents);
      return true;
    } catch (error) {
      return this.#isOver(error, info, retries);
    }
  }

  async #tryToInstallAsync(mapping: DmaMapping, retries: Retries, caller: InstallCaller): Promise<boolean> {
    caller.check();
    const { info } = this.#known;
    if (info === undefined) {
      this.#promise(mapping);
      caller.settle();
      return true;
    }
    try {
      await this.#runAsync(this.#begin(mapping, info), retries, caller);
      return true;
    } catch (error) {
      return this.#isOver(error, info, retries);
    }
  }

  /** @returns false if another attempt is worth it; throws the failure otherwise. */
  #isOver(failure: unknown, info: IommuInfo, retries: Retries): boolean {
    const refresh = (): IommuInfo | undefined => this.#known.infoAfter(failure);
    if (retries.areWorthIt(failure, info, this.#options.allocator, refresh)) return false;
    throw failure;
  }

  #run(attempt: InstallAttempt, retries: Retries): void {
    try {
      attempt.run(this.#known.space);
      this.#checkStayed(attempt);
    } catch (error) {
      this.#giveUp(attempt, error, retries, this.#unmapDone(attempt, error));
    }
  }

  async #runAsync(attempt: InstallAttempt, retries: Retries, caller: InstallCaller): Promise<void> {
    const epoch = this.#epoch;
    try {
      await attempt.runAsync(this.#known.space, () => caller.check());
      this.#checkStayed(attempt);
      if (epoch !== this.#epoch) throw groupsChangedError();
    } catch (error) {
      this.#giveUp(attempt, error, retries, await this.#unmapDoneAsync(attempt, error));
    }
    // At once: nothing may come between the last check and this.
    attempt.mapping.place(attempt.extents);
    caller.settle();
  }

  #checkStayed({ mapping, isNew, extents }: InstallAttempt): void {
    const isPhysical = this.#options.mode === "physical" && mapping.plan.iova === undefined;
    if (isNew && isPhysical) checkPagesStayed(mapping.memory, extents);
  }

  #begin(mapping: DmaMapping, info: IommuInfo): InstallAttempt {
    this.#withdrawPromise(mapping);
    this.#options.allocator.useRanges(info.iovaRanges ?? WHOLE_SPACE);
    const { known } = mapping;
    if (known.length > 0) {
      this.#checkAll(known, info);
      return new InstallAttempt(mapping, false, known);
    }
    try {
      const extents = planExtents(mapping.memory, this.#iovaSource(mapping));
      this.#checkAll(extents, info);
      this.#takeAll(extents);
      return new InstallAttempt(mapping, true, extents);
    } catch (error) {
      this.#releaseAllocated(mapping);
      throw error;
    }
  }

  #checkAll(extents: readonly Extent[], info: IommuInfo): void {
    for (const extent of extents) checkExtent(extent, info, this.#options.addressBits);
  }

  /** Takes the addresses of all extents or none: two of them may overlap, too. */
  #takeAll(extents: readonly Extent[]): void {
    const taken: IovaRange[] = [];
    try {
      for (const extent of extents) {
        const range = rangeOf(extent);
        checkFree(this.#ranges, range, OVERLAPPED);
        this.#ranges.add(range);
        taken.push(range);
      }
    } catch (error) {
      for (const range of taken) this.#ranges.cut(range);
      throw error;
    }
  }

  /** Frees the addresses of a failed attempt, of which nothing is mapped; throws the failure. */
  #giveUp(
    attempt: InstallAttempt,
    failure: unknown,
    retries: Retries,
    shortfall: VfioError | undefined,
  ): never {
    const { mapping, isNew, extents } = attempt;
    const { allocated } = mapping;
    if (isNew) {
      for (const extent of extents) this.#ranges.cut(rangeOf(extent));
      this.#releaseAllocated(mapping);
    }
    const isChosen = isNew && allocated !== undefined && mapping.plan.iova === undefined;
    if (isChosen && hasCode(failure, "EEXIST")) this.#avoid(attempt, allocated, retries);
    const isExpected = shortfall === undefined || hasCode(failure, "ERR_VFIO_GROUPS_CHANGED");
    throw isExpected ? failure : shortfallError(failure, shortfall);
  }

  /** @throws VfioError `ERR_VFIO_ROLLBACK_FAILED` if something may still be mapped: its addresses stay taken. */
  #unmapDone({ done }: InstallAttempt, cause: unknown): VfioError | undefined {
    try {
      return this.#known.unmap(joinAdjacent(done));
    } catch (error) {
      throw rollbackError("mapping failed", [cause, error]);
    }
  }

  async #unmapDoneAsync({ done }: InstallAttempt, cause: unknown): Promise<VfioError | undefined> {
    try {
      return await this.#known.unmapAsync(joinAdjacent(done));
    } catch (error) {
      throw rollbackError("mapping failed", [cause, error]);
    }
  }

  /** Another program's mapping overlaps the next piece: keeps the allocator from choosing it again. */
  #avoid({ mapping, done }: InstallAttempt, allocated: bigint, retries: Retries): void {
    const before = done.reduce((sum, { bytes }) => sum + bytes, 0);
    const rest = mapping.memory.bytes - before;
    const piece = Math.min(mapping.plan.pieceBytes ?? rest, rest);
    this.#options.allocator.avoid(
      allocated + bigIntOf(before),
      retries.stepOver(piece, this.#alignmentOf(mapping.memory)),
    );
  }

  #iovaSource(mapping: DmaMapping): IovaSource {
    const { memory, plan } = mapping;
    const { mode, allocator } = this.#options;
    if (mode !== "allocate") return plan.iova ?? (mode === "physical" ? "physical" : memory.address);
    if (plan.iova === undefined)
      return (mapping.allocated = allocator.allocate(memory.bytes, this.#alignmentOf(memory)));
    this.#claim(mapping, plan.iova);
    return plan.iova;
  }

  /** Reserves a fixed IOVA in the allocator, unless it was promised and so is taken. */
  #claim(mapping: DmaMapping, iova: bigint): void {
    if (mapping.allocated !== undefined) return;
    this.#options.allocator.claim(iova, mapping.memory.bytes);
    mapping.allocated = iova;
  }

  /** Aligned to the memory's pages, so that the IOMMU can use pages as large. */
  #alignmentOf({ pageBytes }: MappableMemory): number {
    return Math.max(pageBytes, this.#known.info?.smallestPage ?? pageBytes);
  }

  #releaseAllocated(mapping: DmaMapping): void {
    this.#withdrawPromise(mapping);
    if (mapping.allocated !== undefined) this.#options.allocator.release(mapping.allocated);
    mapping.allocated = undefined;
  }
}

import {
  VfioError,
  type HasFd,
  type IovaRange,
  type LinearMemory,
  type MappableMemory,
  type AddressSpace,
} from "@vfio/ioctl-native";
import { checkWaitLimits, closedError, contextOr, formatAddress, runAll } from "@vfio/ioctl-native/internal";
import { argumentError, checkObject } from "../arguments.js";
import type { BufferRequest, PoolRequest } from "../buffers/dma-arena.js";
import { DmaArenas } from "../buffers/dma-arenas.js";
import type { DmaBuffer, InLinearMemory } from "../buffers/dma-buffer.js";
import { DmaMapping } from "./dma-mapping.js";
import type { DmaPool } from "../buffers/dma-pool.js";
import type { PageSource } from "../memory/hugepage-memory.js";
import { hasCode } from "../has-code.js";
import { checkNumaNode } from "../memory/hugepages.js";
import { checkedBits, IovaAllocator } from "../iova/iova-allocator.js";
import type { IovaMode } from "../iova/iova-mode.js";
import { drawIovaSpace } from "../iova/iova-picture.js";
import { KnownMappings } from "./known-mappings.js";
import { KnownSpace } from "../spaces/known-space.js";
import type { MapAsyncOptions, MapMemoryOptions } from "./map-memory-options.js";
import { MappingInstaller } from "./mapping-installer.js";
import { checkedMode, spaceOf, planOf } from "./mapper-arguments.js";
import type { MappingPlan } from "./mapping-plan.js";
import { wholePieces } from "./plan-extents.js";

/**
 * Options of {@link DmaMapper}. Those of {@link PageSource} apply to the memory behind {@link DmaMapper.alloc} and
 * {@link DmaMapper.pool}.
 */
export interface DmaMapperOptions extends PageSource {
  /**
   * How device addresses are chosen: see {@link IovaMode}. Default `allocate`. Pass an allocator to reserve windows or
   * to share it between mappers.
   */
  readonly iova?: "physical" | "virtual" | "allocate" | IovaAllocator;
  /** The number of address bits the device drives, 12 to 64: 28 for a device that reaches 256 MiB. Default 64. */
  readonly addressBits?: number;
}

/** A container that calls back when a group has joined; `@vfio/vfio-core`'s does. */
interface TellsOfGroups {
  onGroupAdded(listener: () => void): Disposable;
}

/**
 * Maps memory for DMA by the devices of a VFIO container: anybody's container, known only by its fd.
 *
 * Memory may be mapped before the container has a group: it waits until one joins. When the last group leaves, the
 * kernel forgets all mappings; they come back with the next group, at the same addresses. If the kernel moved pages
 * meanwhile, `physical` addresses are physical no longer, but still lead a device to the same memory.
 * @example
 * ```ts
 * // needs a device
 * import { DmaMapper, HugepageMemory } from "@vfio/dma";
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * using memory = HugepageMemory.allocate({ bytes: 4 << 20 });
 * using dma = new DmaMapper(container, { iova: "allocate" });
 * const mapping = dma.map(memory);
 * console.log(mapping.iovaOf(0, 4096)); // what the device is told
 * ```
 */
export class DmaMapper implements Disposable {
  readonly mode: IovaMode;
  /** The number of address bits the device drives: no IOVA lies beyond them. */
  readonly addressBits: number;
  readonly #allocator: IovaAllocator;
  readonly #space: KnownSpace;
  readonly #installer: MappingInstaller;
  /** A reference, so that memory stays held for as long as this is open, even if this thread ends. */
  readonly #container: HasFd | undefined;
  readonly #arenas: DmaArenas;
  readonly #mappings = new KnownMappings();
  /** Mappings that are being made or unmapped off the event loop. */
  readonly #arriving = new KnownMappings();
  readonly #leaving = new Set<DmaMapping>();
  readonly #groupListener: Disposable | undefined;
  readonly #reason: string;
  #closed = false;

  /**
   * @param container a VFIO container, or another {@link AddressSpace}.
   * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` for what is neither; `ERR_VFIO_IOVA`, `ERR_VFIO_ADDRESS_BITS`,
   * `ERR_VFIO_NUMA_NODE`.
   */
  constructor(container: HasFd | AddressSpace, options: DmaMapperOptions = {}) {
    const space = spaceOf(container);
    checkObject(options, "options of a DmaMapper");
    const { iova = "allocate", numaNode } = options;
    checkNumaNode(numaNode);
    const addressBits = checkedBits(options.addressBits ?? 64);
    this.mode = checkedMode(iova);
    this.#reason = `a DMA mapping (${this.mode} IOVAs)`;
    this.#allocator = iova instanceof IovaAllocator ? iova : new IovaAllocator({ addressBits });
    this.addressBits = Math.min(addressBits, this.#allocator.addressBits);
    this.#container = "fd" in container ? container : undefined;
    this.#space = new KnownSpace(space, () => this.#allocator.forgetAvoided());
    this.#installer = new MappingInstaller(this.#space, {
      mode: this.mode,
      allocator: this.#allocator,
      addressBits: this.addressBits,
    });
    this.#arenas = new DmaArenas(options, (memory) => this.map(memory));
    this.#groupListener = tellsOfGroups(container) ? container.onGroupAdded(() => this.replay()) : undefined;
  }

  get mappings(): readonly DmaMapping[] {
    return this.#mappings.all;
  }

  /**
   * Maps all of a memory. If one of its pieces fails, those before it are unmapped again. Mapping the same memory the
   * same way again returns the existing mapping and counts it: only the last `unmap` unmaps it.
   *
   * If the allocator's choice hits another program's mapping, it chooses again: one ioctl for each attempt, at most 16
   * to 70, or some 500 if the space is nearly used up. An address that was asked for, or told to anybody, is never
   * changed.
   *
   * Blocks the thread while the kernel pins the pages: microseconds for a hugepage, milliseconds for each 64 MiB of
   * small pages or under emulation. {@link mapAsync} does not.
   * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` if `memory` is none; `ERR_VFIO_DMA_ALIGNMENT`,
   * `ERR_VFIO_IOVA_OUT_OF_RANGE`, `ERR_VFIO_IOVA_OUT_OF_REACH`, `ERR_VFIO_DMA_OVERLAP`; VfioError
   * `ERR_VFIO_IOVA_EXHAUSTED`, `ERR_VFIO_PAGES_MOVED`, `ERR_VFIO_ROLLBACK_FAILED`; VfioAggregateError
   * `ERR_VFIO_SEVERAL` if undoing a failed map unmapped less than was mapped; VfioSystemError `ENOMEM` (RLIMIT_MEMLOCK,
   * explained), `ENOSPC` (mappings used up, explained), `EEXIST` (another program's mapping).
   */
  map(memory: MappableMemory, options: MapMemoryOptions = {}): DmaMapping {
    const plan = planOf(memory, options);
    const existing = this.#findExisting(memory, plan);
    if (existing !== undefined) return this.#mappings.share(existing);

    const mapping = new DmaMapping(memory, plan, this);
    const hold = this.#hold(mapping);
    try {
      this.#installer.install(mapping);
    } catch (error) {
      // What may still be mapped must stay held.
      if (!isRollbackFailure(error)) hold[Symbol.dispose]();
      throw error;
    }
    this.#mappings.add(mapping, hold);
    return mapping;
  }

  /**
   * As {@link map}, off the event loop: the kernel pins the pages in another thread. An abort takes effect between two
   * pieces, and what was mapped is unmapped again.
   * @throws what {@link map} throws; the signal's reason when aborted (`ERR_VFIO_ABORTED` if that is no Error);
   * VfioError `ERR_VFIO_MAPPING_BUSY` if the same memory is being mapped the same way, or unmapped, off the event loop;
   * `ERR_VFIO_CLOSED` also if the mapper was closed meanwhile.
   * @example
   * ```ts
   * // needs a device
   * import { DmaMapper, HugepageMemory } from "@vfio/dma";
   *
   * using memory = HugepageMemory.allocate({ bytes: 8 * 2 ** 30 });
   * using dma = new DmaMapper({ fd: containerFd }, { iova: "allocate" });
   * const mapping = await dma.mapAsync(memory, { pieceBytes: 1 << 30, signal: AbortSignal.timeout(5000) });
   * ```
   */
  async mapAsync(memory: MappableMemory, options: MapAsyncOptions = {}): Promise<DmaMapping> {
    const plan = planOf(memory, options);
    const existing = this.#findExisting(memory, plan);
    if (existing !== undefined) return this.#mappings.share(existing);

    const mapping = new DmaMapping(memory, plan, this);
    const hold = this.#hold(mapping);
    this.#arriving.add(mapping, hold);
    try {
      await this.#installer.installAsync(mapping, {
        check: () => this.#checkGoesOn(options.signal),
        settle: () => this.#mappings.add(mapping, hold),
      });
    } catch (error) {
      if (!isRollbackFailure(error)) hold[Symbol.dispose]();
      throw error;
    } finally {
      this.#arriving.delete(mapping);
    }
    return mapping;
  }

  /**
   * Unmaps a mapping, at the last of as many calls as {@link map} returned it. Blocks the thread while the kernel
   * unpins the pages; {@link unmapAsync} does not.
   * @throws VfioError `ERR_VFIO_UNMAP_INCOMPLETE` if the kernel unmapped less than was mapped, because another program
   * had unmapped it: nothing of it is mapped now, and the memory is free. `ERR_VFIO_MAPPING_BUSY` during
   * {@link unmapAsync}.
   */
  unmap(mapping: DmaMapping): void {
    if (this.#mappings.isLast(mapping)) this.#unmapForAll(mapping);
  }

  /**
   * As {@link unmap}, off the event loop. The memory stays held, and its addresses taken, until the promise resolves.
   */
  async unmapAsync(mapping: DmaMapping): Promise<void> {
    if (!this.#mappings.isLast(mapping)) return;
    this.#checkStays(mapping);
    const { inDoubt } = mapping;
    this.#leaving.add(mapping);
    let shortfall: Error | undefined;
    try {
      shortfall = await this.#installer.takeBackAsync(mapping, mapping.extents);
    } finally {
      this.#leaving.delete(mapping);
    }
    this.#letGo(mapping);
    if (shortfall !== undefined && !inDoubt) throw shortfall;
  }

  /**
   * Unmaps a part of a mapping: whole pieces, as they were mapped.
   *
   * Neither IOMMU type of the kernel can split a mapping: type1v2 refuses (EINVAL), and type1 "succeeds" with nothing
   * done, or with all of the mapping gone.
   * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP`, naming the pieces; VfioError `ERR_VFIO_UNMAP_INCOMPLETE`,
   * `ERR_VFIO_CLOSED` if the mapping is not, or no longer, this mapper's.
   */
  unmapPart(mapping: DmaMapping, offset: number, bytes: number): void {
    if (!this.#mappings.has(mapping)) throw closedError("this DMA mapping");
    this.#checkStays(mapping);
    for (const each of [offset, bytes])
      if (!Number.isSafeInteger(each)) throw argumentError(each, "a whole number of bytes");
    const touched = mapping.extentsTouching({ offset, bytes });
    const part = wholePieces(touched, mapping.plan, { offset, bytes });
    if (bytes === mapping.mappedBytes) return this.#unmapForAll(mapping);
    const shortfall = this.#installer.takeBack(mapping, part);
    if (shortfall !== undefined && !mapping.inDoubt) throw shortfall;
  }

  /** Unmaps all of this mapper's mappings, also if one fails, and closes its buffers and pools. */
  unmapAll(): void {
    const staying = this.mappings.filter((mapping) => !this.#leaving.has(mapping));
    runAll([() => this.#arenas.close(), ...staying.map((mapping) => () => this.#unmapForAll(mapping))]);
  }

  /**
   * A buffer for DMA, in one piece for the device. Blocks the thread while hugepages are allocated and mapped as
   * needed; for large memory off the event loop use `HugepageMemory` and {@link mapAsync}.
   * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`, `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_MEMORY_SCATTERED`; and what
   * {@link map} and `HugepageMemory.allocate` throw.
   */
  alloc(request: BufferRequest & { readonly within: LinearMemory }): DmaBuffer & InLinearMemory;
  alloc(request: BufferRequest): DmaBuffer;
  alloc(request: BufferRequest): DmaBuffer {
    this.#checkOpen();
    return this.#arenas.alloc(request);
  }

  /**
   * A pool of blocks of one size, for rings and packets. Each block is one piece for the device; the whole pool need
   * not be, if the page size is a multiple of the block size. Throws what {@link alloc} throws.
   */
  pool(request: PoolRequest & { readonly within: LinearMemory }): DmaPool & InLinearMemory;
  pool(request: PoolRequest): DmaPool;
  pool(request: PoolRequest): DmaPool {
    this.#checkOpen();
    return this.#arenas.pool(request);
  }

  /**
   * Maps what waits for a group, and what the kernel forgot because the last group had left. A container of
   * `@vfio/vfio-core` calls this itself; with any other, call it after a group has joined.
   *
   * The kernel cannot be asked what is mapped, so one page of each mapping is mapped again: `EEXIST` means that the
   * mapping is there, success that it was forgotten. After any other failure the mapping counts as in place: it keeps
   * its memory and its addresses, `unmap` unmaps it, and the next replay asks again. Another program's mapping at the
   * same address cannot be told from ours. An {@link AddressSpace} that never forgets is not asked.
   * @returns the number of mappings that were not in place and now are.
   * @throws what {@link map} throws; a VfioAggregateError `ERR_VFIO_SEVERAL` for several failures. All other mappings
   * are in place then.
   */
  replay(): number {
    this.#checkOpen();
    if (this.#space.refresh() === undefined) return 0;
    this.#installer.groupsChanged();
    let made = 0;
    const failures: (() => never)[] = [];
    for (const mapping of this.#mappings.all) {
      try {
        if (!this.#leaving.has(mapping) && this.#bringBack(mapping)) made++;
      } catch (error) {
        failures.push(() => {
          throw error;
        });
      }
    }
    runAll(failures, "mappings could not be made anew");
    return made;
  }

  /** A drawing of the IOVA space: what can be mapped, what is mapped, and the holes. Never throws. */
  toString(): string {
    return contextOr("DmaMapper {}", () => this.#draw());
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  #draw(): string {
    return drawIovaSpace({
      ranges: this.#rangesIfKnown(),
      mappings: this.mappings.map(({ pieces, plan }) => ({ pieces, access: plan.access })),
      reserved: this.mode === "allocate" ? this.#allocator.reserved : [],
      addressBits: this.addressBits,
    });
  }

  /** Unmaps everything. Closing twice does nothing. */
  close(): void {
    this.#closed = true;
    this.#groupListener?.[Symbol.dispose]();
    this.unmapAll();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #findExisting(memory: MappableMemory, plan: MappingPlan): DmaMapping | undefined {
    this.#checkOpen();
    if (this.#arriving.find(memory, plan) !== undefined) throw busyError("this memory is being mapped");
    const existing = this.#mappings.find(memory, plan);
    if (existing !== undefined) this.#checkStays(existing);
    return existing;
  }

  #hold({ memory, plan }: DmaMapping): Disposable {
    return memory.hold(plan.iova === undefined ? this.#reason : reasonAt(plan.iova), this.#container);
  }

  #unmapForAll(mapping: DmaMapping): void {
    this.#checkStays(mapping);
    const { inDoubt } = mapping;
    const shortfall = this.#installer.takeBack(mapping, mapping.extents);
    this.#letGo(mapping);
    if (shortfall !== undefined && !inDoubt) throw shortfall;
  }

  /** Nothing of the mapping is mapped any longer, and it does not come back. */
  #letGo(mapping: DmaMapping): void {
    this.#installer.release(mapping);
    const hold = this.#mappings.delete(mapping);
    mapping.end();
    hold?.[Symbol.dispose]();
  }

  #checkStays(mapping: DmaMapping): void {
    if (this.#leaving.has(mapping)) throw busyError("this memory is being unmapped");
  }

  #checkGoesOn(signal: AbortSignal | undefined): void {
    this.#checkOpen();
    checkWaitLimits({ signal });
  }

  #bringBack(mapping: DmaMapping): boolean {
    try {
      if (this.#isInPlace(mapping)) return false;
      this.#installer.install(mapping);
      return mapping.mapped;
    } catch (error) {
      if (isRollbackFailure(error)) this.#abandon(mapping);
      throw error;
    }
  }

  #isInPlace(mapping: DmaMapping): boolean {
    if (mapping.mapped && this.#space.space.forgets === "never") return true;
    mapping.doubt();
    const isInPlace = this.#installer.isInPlace(mapping);
    if (isInPlace) mapping.trust();
    else mapping.forget();
    return isInPlace;
  }

  #rangesIfKnown(): readonly IovaRange[] | undefined {
    try {
      return this.#space.info?.iovaRanges;
    } catch {
      return undefined;
    }
  }

  /** What may still be mapped must not be given away: the memory stays held, the addresses stay taken. */
  #abandon(mapping: DmaMapping): void {
    this.#mappings.delete(mapping);
    mapping.end();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError("this DMA mapper");
  }
}

function busyError(problem: string): VfioError {
  const hint = "Await the promise of mapAsync() or unmapAsync() first";
  return new VfioError("ERR_VFIO_MAPPING_BUSY", `${problem}, off the event loop`, { hint });
}

function isRollbackFailure(error: unknown): boolean {
  return hasCode(error, "ERR_VFIO_ROLLBACK_FAILED");
}

function tellsOfGroups(container: object): container is TellsOfGroups {
  return "onGroupAdded" in container && typeof container.onGroupAdded === "function";
}

function reasonAt(iova: bigint): string {
  return `a DMA mapping (IOVA ${formatAddress(iova)})`;
}

import { closedError, isVfioError, runAll, VfioRangeError, type HasFd, printAs } from "@vfio/ioctl-native";
import { DmaArena, type BufferRequest, type PoolRequest } from "./dma-arena.js";
import type { DmaBuffer } from "./dma-buffer.js";
import { DmaMapping, type MappableMemory, type MappingPlan } from "./dma-mapping.js";
import type { DmaPool } from "./dma-pool.js";
import { formatAddress } from "./format.js";
import type { PageSource } from "./hugepage-memory.js";
import { checkNumaNode } from "./hugepages.js";
import { DMA_ACCESSES, type DmaAccess, type Iommu } from "./iommu.js";
import { checkedBits, IovaAllocator } from "./iova-allocator.js";
import { drawIovaSpace } from "./iova-picture.js";
import { MappingInstaller } from "./mapping-installer.js";
import { checkPiece, wholePieces, without } from "./plan-segments.js";
import { Type1Iommu } from "./type1-iommu.js";

/** Many devices take address 0 for none, and a descriptor that was forgotten is full of zeroes. */
const FIRST_PAGE = [{ start: 0n, end: 0xfffn }];
const IOVA_MODES: readonly IovaMode[] = ["physical", "virtual", "allocate"];

/**
 * How device addresses are chosen: `physical`, equal to physical addresses (1:1); `virtual`, equal to this process's
 * virtual ones; `allocate`, by an {@link IovaAllocator} within what the IOMMU can map and the device can reach, but for
 * the first page: address 0 is never given out.
 */
export type IovaMode = "physical" | "virtual" | "allocate";

/**
 * Options of {@link DmaMapper}. Those of {@link PageSource} are for the memory behind {@link DmaMapper.alloc} and
 * {@link DmaMapper.pool}.
 */
export interface DmaMapperOptions extends PageSource {
  /** Default `physical`. An allocator of one's own can have reserved windows, or be shared. */
  readonly iova?: IovaMode | IovaAllocator;
  /** How many address bits the device drives, 12 to 64: 28 for a device that reaches 256 MiB. Default 64. */
  readonly addressBits?: number;
}

/** Options of {@link DmaMapper.map}. */
export interface MapMemoryOptions {
  /** Map the memory at this address instead of where the mapper's mode would. */
  readonly iova?: bigint;
  /** What devices may do. Default `read-write`. */
  readonly access?: DmaAccess;
  /** Map in pieces of at most this size, each of which can be unmapped on its own. Default: as few as possible. */
  readonly pieceBytes?: number;
}

/** A container that tells when a group has joined it; `@vfio/vfio-core`'s does. */
interface TellsOfGroups {
  onGroupAdded(listener: () => void): Disposable;
}

/**
 * Maps memory for DMA by the devices of a VFIO container: anybody's container, known only by its fd.
 *
 * Memory may be mapped before the container has a group: it waits until one joins. When the last group leaves, the
 * kernel forgets all mappings; they come back with the next group, at the same addresses. Those of pages that the kernel
 * moved meanwhile are then no `physical` ones any more, but they lead a device to the same memory as before.
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
  static {
    printAs(DmaMapper, (it) => ({
      mode: it.mode,
      addressBits: it.addressBits,
      mappings: it.#mappings.size,
      closed: it.#closed,
    }));
  }

  /** How device addresses are chosen. */
  readonly mode: IovaMode;
  /** How many address bits the device drives: no IOVA lies beyond them. */
  readonly addressBits: number;
  readonly #allocator: IovaAllocator;
  readonly #installer: MappingInstaller;
  /** Memory stays held for as long as this is open, even if this thread ends. */
  readonly #container: HasFd | undefined;
  readonly #arena: DmaArena;
  readonly #mappings = new Map<DmaMapping, Disposable>();
  readonly #groupListener: Disposable | undefined;
  #closed = false;

  /** @param container a VFIO container, or another {@link Iommu}. */
  constructor(container: HasFd | Iommu, options: DmaMapperOptions = {}) {
    const { iova = "physical", numaNode } = options;
    checkNumaNode(numaNode);
    const addressBits = checkedBits(options.addressBits ?? 64);
    this.mode = checkedMode(iova);
    this.#allocator =
      iova instanceof IovaAllocator ? iova : new IovaAllocator({ addressBits, reserved: FIRST_PAGE });
    this.addressBits = Math.min(addressBits, this.#allocator.addressBits);
    this.#container = "fd" in container ? container : undefined;
    this.#installer = new MappingInstaller("fd" in container ? new Type1Iommu(container) : container, {
      mode: this.mode,
      allocator: this.#allocator,
      addressBits: this.addressBits,
    });
    this.#arena = new DmaArena(options, (memory) => this.map(memory));
    this.#groupListener = tellsOfGroups(container) ? container.onGroupAdded(() => this.replay()) : undefined;
  }

  /** What is mapped, or waits for a group. */
  get mappings(): readonly DmaMapping[] {
    return [...this.#mappings.keys()];
  }

  /**
   * Maps all of a memory. If one of its pieces fails, those before it are unmapped again. Mapping the same memory the
   * same way once more returns the mapping that is there; one `unmap` ends it for all who have it.
   * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_IOVA_OUT_OF_RANGE`, `ERR_VFIO_IOVA_OUT_OF_REACH`,
   * `ERR_VFIO_DMA_OVERLAP`; VfioError `ERR_VFIO_IOVA_EXHAUSTED`, `ERR_VFIO_PAGES_MOVED`; VfioSystemError `ENOMEM`
   * (RLIMIT_MEMLOCK, explained), `ENOSPC` (mappings used up, explained), `EEXIST` (somebody else's mapping).
   */
  map(memory: MappableMemory, options: MapMemoryOptions = {}): DmaMapping {
    const plan = {
      access: options.access ?? "read-write",
      iova: options.iova,
      pieceBytes: options.pieceBytes,
    };
    this.#checkOpen();
    checkPlan(memory, plan);
    const existing = this.#find(memory, plan);
    if (existing !== undefined) return existing;

    const mapping = new DmaMapping(memory, plan, this);
    const hold = memory.hold(`a DMA mapping (${describePlan(this.mode, plan)})`, this.#container);
    try {
      this.#installer.install(mapping);
    } catch (error) {
      // What may still be mapped must not be given away.
      if (!isRollbackFailure(error)) hold[Symbol.dispose]();
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
    const shortfall = this.#installer.takeBack(mapping, mapping.stretches);
    this.#installer.release(mapping);
    this.#mappings.delete(mapping);
    mapping.end();
    hold[Symbol.dispose]();
    if (shortfall !== undefined) throw shortfall;
  }

  /**
   * Takes a part of a mapping back: whole pieces, as they were mapped.
   *
   * Neither IOMMU type of the kernel can split a mapping: type1v2 refuses (EINVAL), and type1 "succeeds" with
   * nothing done, or with all of the mapping gone.
   * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP`, naming the pieces; VfioError `ERR_VFIO_UNMAP_INCOMPLETE`,
   * `ERR_VFIO_CLOSED` if the mapping is not this mapper's, or no longer.
   */
  unmapPart(mapping: DmaMapping, offset: number, bytes: number): void {
    if (!this.#mappings.has(mapping)) throw closedError("this DMA mapping");
    const part = wholePieces(mapping.stretches, mapping.plan, { offset, bytes });
    if (without(mapping.stretches, part).length === 0) return this.unmap(mapping);
    const shortfall = this.#installer.takeBack(mapping, part);
    if (shortfall !== undefined) throw shortfall;
  }

  /**
   * Takes all of this mapper's mappings back; all of them, also if one fails. Its buffers and pools are closed: they
   * have no bytes and no addresses any more.
   */
  unmapAll(): void {
    runAll([() => this.#arena.close(), ...this.mappings.map((mapping) => () => this.unmap(mapping))]);
  }

  /**
   * A buffer for DMA, in one piece for the device, out of hugepages that are allocated and mapped as needed.
   * @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`, `ERR_VFIO_MEMORY_SCATTERED`; and what {@link map} and
   * `HugepageMemory.allocate` throw.
   */
  alloc(request: BufferRequest): DmaBuffer {
    this.#checkOpen();
    return this.#arena.alloc(request);
  }

  /**
   * A pool of blocks of one size, for rings and packets. Each block is one piece for the device; where physical pages
   * lie scattered, the pool need not be, if the page size is a multiple of the block size. Throws what {@link alloc} throws.
   */
  pool(request: PoolRequest): DmaPool {
    this.#checkOpen();
    return this.#arena.pool(request);
  }

  /**
   * Maps what waits for a group, and what the kernel forgot because the last group had left. With a container of
   * `@vfio/vfio-core` that happens by itself; with any other, call it after a group has joined.
   * @returns how many mappings are in place now that were not.
   * @throws what {@link map} throws; an AggregateError if it is more than one. All others are in place then.
   */
  replay(): number {
    this.#checkOpen();
    if (this.#installer.refresh() === undefined) return 0;
    const missing = this.mappings.filter((mapping) => !this.#installer.isInPlace(mapping));
    for (const mapping of missing) mapping.forget();
    runAll(
      missing.map((mapping) => () => this.#makeAnew(mapping)),
      "mappings could not be made anew",
    );
    return missing.length;
  }

  /** A drawing of the IOVA space: what can be mapped, what is, and the holes between. */
  toString(): string {
    return drawIovaSpace({
      ranges: this.#installer.knownInfo?.iovaRanges,
      mappings: this.mappings.map(({ segments, plan }) => ({ segments, access: plan.access })),
      reserved: this.mode === "allocate" ? this.#allocator.reserved : [],
      addressBits: this.addressBits,
    });
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** Takes everything back. Closing twice does nothing. */
  close(): void {
    this.#closed = true;
    this.#groupListener?.[Symbol.dispose]();
    this.unmapAll();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #find(memory: MappableMemory, plan: MappingPlan): DmaMapping | undefined {
    for (const mapping of this.#mappings.keys())
      if (sameMemory(mapping.memory, memory) && samePlan(mapping.plan, plan)) return mapping;
    return undefined;
  }

  #makeAnew(mapping: DmaMapping): void {
    try {
      this.#installer.install(mapping);
    } catch (error) {
      if (isRollbackFailure(error)) this.#abandon(mapping);
      throw error;
    }
  }

  /** What may still be mapped must not be given away: the memory stays held, and its addresses stay taken. */
  #abandon(mapping: DmaMapping): void {
    this.#mappings.delete(mapping);
    mapping.end();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError("this DMA mapper");
  }
}

function isRollbackFailure(error: unknown): boolean {
  return isVfioError(error) && error.code === "ERR_VFIO_ROLLBACK_FAILED";
}

function tellsOfGroups(container: object): container is TellsOfGroups {
  return "onGroupAdded" in container && typeof container.onGroupAdded === "function";
}

/** Two objects may stand for the same memory, such as two `UserMemory` on one `Mapping`. */
function sameMemory(one: MappableMemory, other: MappableMemory): boolean {
  if (one === other) return true;
  return one.address === other.address && one.bytes === other.bytes && one.pageBytes === other.pageBytes;
}

function samePlan(one: MappingPlan, other: MappingPlan): boolean {
  return one.access === other.access && one.iova === other.iova && one.pieceBytes === other.pieceBytes;
}

function describePlan(mode: IovaMode, { iova }: MappingPlan): string {
  return iova === undefined ? `${mode} IOVAs` : `IOVA ${formatAddress(iova)}`;
}

function checkedMode(iova: unknown): IovaMode {
  if (iova instanceof IovaAllocator) return "allocate";
  const mode = IOVA_MODES.find((each) => each === iova);
  if (mode !== undefined) return mode;
  throw new VfioRangeError(
    "ERR_VFIO_IOVA",
    `device addresses are chosen by ${IOVA_MODES.join(", ")}, or an IovaAllocator; not by ${String(iova)}`,
  );
}

function checkMemory({ address, bytes, pageBytes }: MappableMemory): void {
  if (bytes > 0 && bytes % pageBytes === 0 && Number(address) % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `memory of ${bytes} bytes at address ${formatAddress(address)} is not made of whole pages of ${pageBytes} bytes`,
  );
}

/** What JavaScript callers can get wrong: before a mapping waits for a group with it. */
function checkPlan(memory: MappableMemory, { access, iova, pieceBytes }: MappingPlan): void {
  checkMemory(memory);
  if (!DMA_ACCESSES.includes(access)) {
    throw new VfioRangeError(
      "ERR_VFIO_DMA_ACCESS",
      `"${access}" is no access: it is one of ${DMA_ACCESSES.join(", ")}`,
    );
  }
  if (iova !== undefined && (typeof iova !== "bigint" || iova < 0n || iova >= 1n << 64n)) {
    throw new VfioRangeError(
      "ERR_VFIO_IOVA",
      `an IOVA is a bigint from 0n to 2n ** 64n - 1n, not ${String(iova)}`,
    );
  }
  if (pieceBytes !== undefined) checkPiece(pieceBytes, memory.pageBytes);
}

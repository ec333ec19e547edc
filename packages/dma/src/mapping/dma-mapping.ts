import { VfioError, type Extent, type MappableMemory } from "@vfio/ioctl-native";
import { closedError, printAs } from "@vfio/ioctl-native/internal";
import { IovaTable } from "../iova/iova-table.js";
import { encodeMemoryDescription } from "../memory/memory-description.js";
import { MappedExtents } from "./mapped-extents.js";
import type { MappingPlan } from "./mapping-plan.js";
import { piecesOf, type Part } from "./plan-extents.js";

/** What a mapping calls on the mapper that made it. */
export interface MappingOwner {
  /** Unmaps all of a mapping. */
  unmap(mapping: DmaMapping): void;
  /** As `unmap`, off the event loop. */
  unmapAsync(mapping: DmaMapping): Promise<void>;
  /** Unmaps whole pieces of a mapping. */
  unmapPart(mapping: DmaMapping, offset: number, bytes: number): void;
}

/** Shared by all mappings without extents; nothing can be taken out of it. */
const NOTHING = new MappedExtents();

/** Memory that devices can reach, or will as soon as the container has a group; made by `DmaMapper.map`. */
export class DmaMapping implements Disposable {
  static {
    printAs(DmaMapping, (it) => ({
      iova: it.extents[0]?.iova,
      bytes: it.memory.bytes,
      extents: it.extents.length,
      mapped: it.mapped,
    }));
  }

  readonly memory: MappableMemory;
  readonly plan: MappingPlan;
  /** @internal The IOVA it holds from an allocator, until it is given back. */
  allocated: bigint | undefined;
  readonly #owner: MappingOwner;
  /** What was mapped, less what was unmapped for good. */
  #known = NOTHING;
  #inPlace = false;
  #inDoubt = false;
  #pieces: readonly Extent[] | undefined;
  #table: IovaTable | undefined;
  #ended = false;

  /** Programs call `DmaMapper.map` instead. */
  constructor(memory: MappableMemory, plan: MappingPlan, owner: MappingOwner) {
    this.memory = memory;
    this.plan = plan;
    this.#owner = owner;
  }

  /**
   * False while the mapping waits for the container's first group, if it could not be made anew with a later one, and
   * after unmap. Stays true when the last group leaves and the kernel forgets the mapping, until `replay`.
   */
  get mapped(): boolean {
    return this.#inPlace;
  }

  /** One ioctl each, in the memory's order. */
  get pieces(): readonly Extent[] {
    return (this.#pieces ??= this.extents.flatMap((each) => piecesOf(each, this.plan)));
  }

  /** @deprecated Use {@link pieces}. */
  get segments(): readonly Extent[] {
    return this.pieces;
  }

  /**
   * Translates offsets into device addresses and back; keep it for hot loops.
   * @throws VfioError `ERR_VFIO_MAPPING_PENDING` while the mapping waits for a group, `ERR_VFIO_CLOSED` after unmap.
   */
  get table(): IovaTable {
    if (this.mapped) return (this.#table ??= new IovaTable(this.extents));
    if (this.#ended) throw closedError("this DMA mapping");
    throw new VfioError(
      "ERR_VFIO_MAPPING_PENDING",
      "this DMA memory is not mapped: it has no device addresses",
      {
        hint: "Add a group to the container; if the container is not one of @vfio/vfio-core, then call mapper.replay()",
      },
    );
  }

  /**
   * The device address of a part of the memory.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` if the part is not one piece for the device; VfioError
   * `ERR_VFIO_MAPPING_PENDING`.
   */
  iovaOf(offset: number, bytes = 1): bigint {
    return this.table.iovaOf(offset, bytes);
  }

  /** What another process needs beside the memory's fd: input of `decodeMemoryDescription`. */
  describe(): Uint8Array {
    const { bytes, pageBytes } = this.memory;
    return encodeMemoryDescription({ bytes, pageBytes, table: this.table });
  }

  /**
   * Unmaps the memory, at the last of as many calls as `DmaMapper.map` returned it: from then on a device that uses its
   * addresses faults. Unmapping again does nothing.
   */
  unmap(): void {
    this.#owner.unmap(this);
  }

  /** As {@link unmap}, off the event loop: for large memory, which the kernel takes milliseconds to unpin. */
  unmapAsync(): Promise<void> {
    return this.#owner.unmapAsync(this);
  }

  /**
   * Unmaps a part made of whole pieces, as they were mapped (`pieceBytes`).
   * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP`, naming the pieces.
   */
  unmapPart(offset: number, bytes: number): void {
    this.#owner.unmapPart(this, offset, bytes);
  }

  [Symbol.dispose](): void {
    this.unmap();
  }

  /** The pieces joined: each extent is one piece for the device. */
  get extents(): readonly Extent[] {
    return this.#inPlace ? this.#known.list : [];
  }

  /** @deprecated Use {@link extents}. */
  get stretches(): readonly Extent[] {
    return this.extents;
  }

  /**
   * @internal Whether the kernel still has it could not be found out. It counts as in place, since devices may reach
   * the memory; finding nothing to unmap is no error then.
   */
  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  /** @internal See {@link inDoubt}. */
  doubt(): void {
    this.#inDoubt = this.#inPlace;
  }

  /** @internal The kernel still has it. */
  trust(): void {
    this.#inDoubt = false;
  }

  /** @internal */
  get mappedBytes(): number {
    return this.#inPlace ? this.#known.bytes : 0;
  }

  /** @internal The extents that overlap a part of the memory. */
  extentsTouching(part: Part): readonly Extent[] {
    return this.#inPlace ? this.#known.touching(part) : [];
  }

  /** @internal Parts, each within one extent, were unmapped for good. */
  withdraw(parts: readonly Part[]): void {
    if (parts.length === 0) return;
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (bytes === this.mappedBytes) return this.place([]);
    for (const part of parts) this.#known.takeOut(part);
    this.#forgetViews();
  }

  /** @internal All of it was unmapped for good. */
  end(): void {
    this.#ended = true;
    this.place([]);
  }

  /** @internal The kernel has none of it any longer. */
  forget(): void {
    this.#inPlace = this.#inDoubt = false;
    this.#forgetViews();
  }

  /** @internal It is mapped now. */
  place(extents: readonly Extent[]): void {
    this.#known = extents.length === 0 ? NOTHING : new MappedExtents(extents);
    this.#inPlace = extents.length > 0;
    this.#inDoubt = false;
    this.#forgetViews();
  }

  /**
   * @internal Where the mapping is to come back after the last group of its container has left: tables, buffers and
   * devices know these addresses. Empty until it is mapped.
   */
  get known(): readonly Extent[] {
    return this.#known.list;
  }

  #forgetViews(): void {
    this.#pieces = undefined;
    this.#table = undefined;
  }
}

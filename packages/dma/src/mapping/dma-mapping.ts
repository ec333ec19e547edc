import { VfioError, type Extent, type MappableMemory } from "@vfio/ioctl-native";
import { closedError, printAs } from "@vfio/ioctl-native/internal";
import { IovaTable } from "../iova/iova-table.js";
import { encodeMemoryDescription } from "../memory/memory-description.js";
import { MappedExtents } from "./mapped-extents.js";
import type { MappingPlan } from "./mapping-plan.js";
import { piecesOf, type Part } from "./plan-extents.js";

/** What a mapping asks of the mapper that made it. */
export interface MappingOwner {
  /** Takes all of a mapping back. */
  unmap(mapping: DmaMapping): void;
  /** The same off the event loop. */
  unmapAsync(mapping: DmaMapping): Promise<void>;
  /** Takes whole pieces of a mapping back. */
  unmapPart(mapping: DmaMapping, offset: number, bytes: number): void;
}

/** Shared by all mappings that have nothing: nothing can be taken out of it. */
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

  /** The memory that is mapped. */
  readonly memory: MappableMemory;
  /** As it was asked for. */
  readonly plan: MappingPlan;
  /** @internal For the mapper: the IOVA that it has from an allocator, until it is given back. */
  allocated: bigint | undefined;
  readonly #owner: MappingOwner;
  /** What was mapped, but for what was unmapped for good. */
  #known = NOTHING;
  /** False while the kernel has none of it. */
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
   * False while the mapping waits for the container's first group, if it could not be made anew with another, and after
   * unmap. That the last group has left, and the kernel has forgotten the mapping, is not seen before `replay`.
   */
  get mapped(): boolean {
    return this.#inPlace;
  }

  /** The pieces in which the memory is mapped, in the memory's order: one ioctl each. */
  get pieces(): readonly Extent[] {
    return (this.#pieces ??= this.extents.flatMap((each) => piecesOf(each, this.plan)));
  }

  /**
   * As {@link pieces}.
   * @deprecated Use {@link pieces}.
   */
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
   * The address that a device uses for a part of the memory.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` if the part is not one piece for the device; VfioError
   * `ERR_VFIO_MAPPING_PENDING`.
   */
  iovaOf(offset: number, bytes = 1): bigint {
    return this.table.iovaOf(offset, bytes);
  }

  /** What another process needs beside the memory's fd; it decodes it with `decodeMemoryDescription`. */
  describe(): Uint8Array {
    const { bytes, pageBytes } = this.memory;
    return encodeMemoryDescription({ bytes, pageBytes, table: this.table });
  }

  /**
   * Takes the mapping back, with the last of as many calls as `DmaMapper.map` returned it: afterwards a device that uses
   * its addresses faults. Once more does nothing.
   */
  unmap(): void {
    this.#owner.unmap(this);
  }

  /** As {@link unmap}, off the event loop: for large memory, which the kernel takes milliseconds to unpin. */
  unmapAsync(): Promise<void> {
    return this.#owner.unmapAsync(this);
  }

  /**
   * Takes a part back. It must be made of whole pieces, as they were mapped (`pieceBytes`).
   * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP`, naming the pieces.
   */
  unmapPart(offset: number, bytes: number): void {
    this.#owner.unmapPart(this, offset, bytes);
  }

  /** As {@link unmap}. */
  [Symbol.dispose](): void {
    this.unmap();
  }

  /** The same joined: what is one piece for the device, in however many it was mapped. */
  get extents(): readonly Extent[] {
    return this.#inPlace ? this.#known.list : [];
  }

  /**
   * As {@link extents}.
   * @deprecated Use {@link extents}.
   */
  get stretches(): readonly Extent[] {
    return this.extents;
  }

  /**
   * @internal For the mapper: whether the kernel still has it could not be found out. Then it counts as in place, since
   * devices may reach the memory; and that there is nothing to unmap is no surprise.
   */
  get inDoubt(): boolean {
    return this.#inDoubt;
  }

  /** @internal For the mapper. */
  doubt(): void {
    this.#inDoubt = this.#inPlace;
  }

  /** @internal For the mapper: the kernel still has it. */
  trust(): void {
    this.#inDoubt = false;
  }

  /** @internal For the mapper: how many bytes are mapped. */
  get mappedBytes(): number {
    return this.#inPlace ? this.#known.bytes : 0;
  }

  /** @internal For the mapper: the extents that have something of a part of the memory. */
  extentsTouching(part: Part): readonly Extent[] {
    return this.#inPlace ? this.#known.touching(part) : [];
  }

  /** @internal For the mapper: parts were unmapped for good, each of which lay in one extent. */
  withdraw(parts: readonly Part[]): void {
    if (parts.length === 0) return;
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    if (bytes === this.mappedBytes) return this.place([]);
    for (const part of parts) this.#known.takeOut(part);
    this.#forgetViews();
  }

  /** @internal For the mapper: all of it was unmapped for good. */
  end(): void {
    this.#ended = true;
    this.place([]);
  }

  /** @internal For the mapper: the kernel has none of it any more. */
  forget(): void {
    this.#inPlace = this.#inDoubt = false;
    this.#forgetViews();
  }

  /** @internal For the mapper: this is mapped now. */
  place(extents: readonly Extent[]): void {
    this.#known = extents.length === 0 ? NOTHING : new MappedExtents(extents);
    this.#inPlace = extents.length > 0;
    this.#inDoubt = false;
    this.#forgetViews();
  }

  /**
   * @internal For the mapper: where the mapping is to come back after its container's last group had left. Tables,
   * buffers and devices know these addresses. Empty as long as it was never mapped.
   */
  get known(): readonly Extent[] {
    return this.#known.list;
  }

  #forgetViews(): void {
    this.#pieces = undefined;
    this.#table = undefined;
  }
}

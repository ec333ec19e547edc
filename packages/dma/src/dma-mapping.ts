import { encodeMemoryDescription } from "./memory-description.js";
import { SegmentTable, type DmaSegment } from "./segment-table.js";

/** The memory behind a mapping, as far as the mapper cares. */
export interface MappableMemory {
  readonly bytes: number;
  readonly pageBytes: number;
  /** Its virtual address in this process. */
  readonly address: bigint;
  physicalAddresses(): bigint[];
  hold(reason: string): Disposable;
}

/** Memory that devices can reach; made by `DmaMapper.map`. */
export class DmaMapping implements Disposable {
  readonly memory: MappableMemory;
  readonly #table: SegmentTable;
  readonly #unmap: (mapping: DmaMapping) => void;

  /** Programs call `DmaMapper.map` instead. */
  constructor(memory: MappableMemory, segments: readonly DmaSegment[], unmap: (mapping: DmaMapping) => void) {
    this.memory = memory;
    this.#table = new SegmentTable(segments);
    this.#unmap = unmap;
  }

  /** The pieces in which the memory was mapped, in the memory's order: one ioctl each. */
  get segments(): readonly DmaSegment[] {
    return this.#table.segments;
  }

  /**
   * The address that a device uses for a part of the memory.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` if the part does not lie in one segment.
   */
  iovaOf(offset: number, bytes = 1): bigint {
    return this.#table.iovaOf(offset, bytes);
  }

  /** What another process needs beside the memory's fd; it decodes it with `decodeMemoryDescription`. */
  describe(): Uint8Array {
    const { bytes, pageBytes } = this.memory;
    return encodeMemoryDescription({ bytes, pageBytes, table: this.#table });
  }

  /** Takes the mapping back: afterwards a device that uses its addresses faults. Twice does nothing. */
  unmap(): void {
    this.#unmap(this);
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}

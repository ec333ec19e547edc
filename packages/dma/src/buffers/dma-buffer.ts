import { VfioRangeError, type LinearPlace } from "@vfio/ioctl-native";
import { closedError, printAs, shownValue } from "@vfio/ioctl-native/internal";
import { argumentError, checkObject } from "../arguments.js";
import type { IovaTable } from "../iova/iova-table.js";

/** Memory as a buffer sees it: {@link HugepageMemory} is one. */
export interface BufferMemory {
  readonly buffer: ArrayBuffer;
  /** Where the memory lies in a `LinearMemory`: then the arrays are on that memory's SharedArrayBuffer. */
  readonly place?: LinearPlace | undefined;
}

/** What was asked for `within` a `LinearMemory`: its arrays are on a SharedArrayBuffer. */
export interface InLinearMemory {
  /** Where it begins there, for compiled code and other threads. */
  readonly place: LinearPlace;
}

/** Where a buffer or a pool lies: its memory, its place in it, and the addresses that a device uses. */
export interface BufferPlace {
  readonly memory: BufferMemory;
  readonly table: IovaTable;
  /** Where it starts in the memory, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** Gives the place back. */
  release(): void;
}

/**
 * A piece of DMA memory, contiguous for the device; made by `DmaMapper.alloc`.
 * @example
 * ```ts
 * // needs a device
 * import { DmaMapper } from "@vfio/dma";
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * using dma = new DmaMapper(container, { iova: "allocate" });
 * using buffer = dma.alloc({ bytes: 4096 });
 * buffer.words[0] = 7; // what the device reads
 * console.log(buffer.iova, buffer.iovaLow, buffer.iovaHigh); // where it reads it
 * ```
 */
export class DmaBuffer implements Disposable {
  static {
    printAs(DmaBuffer, (it) => ({ iova: it.iova, length: it.length, freed: it.#freed }));
  }

  /** In bytes. */
  readonly length: number;
  /** The device address of its start. */
  readonly iova: bigint;
  /** The lower 32 bits of {@link iova}, for descriptors that take halves. */
  readonly iovaLow: number;
  readonly iovaHigh: number;
  readonly #place: BufferPlace;
  #bytes: Uint8Array | undefined;
  #words: Uint32Array | undefined;
  #view: DataView | undefined;
  #freed = false;

  /** Programs call `DmaMapper.alloc`. */
  constructor(place: BufferPlace) {
    checkPlace(place);
    this.#place = place;
    this.length = place.bytes;
    this.iova = place.table.iovaOf(place.offset, place.bytes);
    this.iovaLow = Number(this.iova & 0xffff_ffffn);
    this.iovaHigh = Number(this.iova >> 32n);
  }

  /** Where it begins in the `LinearMemory` it was asked for `within`. */
  get place(): LinearPlace | undefined {
    return placeOf(this.#place);
  }

  /** The memory as bytes: the same array each time. */
  get bytes(): Uint8Array {
    this.#checkLive();
    return (this.#bytes ??= arrayOn(Uint8Array, this.#place, this.length));
  }

  /** The memory as 32-bit words, the same array each time; needs an alignment of 4 (the default is 64). */
  get words(): Uint32Array {
    this.#checkLive();
    return (this.#words ??= arrayOn(Uint32Array, this.#place, this.length >>> 2));
  }

  /** The memory as a DataView, the same each time: for structures with fields of several sizes and byte orders. */
  get view(): DataView {
    this.#checkLive();
    return (this.#view ??= arrayOn(DataView, this.#place, this.length));
  }

  /**
   * The lower 32 bits of the device address of a byte in the buffer.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` for an offset that is not in the buffer; VfioError `ERR_VFIO_CLOSED`
   * after {@link free}.
   */
  iovaLowAt(offset: number): number {
    this.#check(offset);
    return (this.iovaLow + offset) >>> 0;
  }

  /** The upper 32 bits of the device address of a byte in the buffer. Throws what {@link iovaLowAt} throws. */
  iovaHighAt(offset: number): number {
    this.#check(offset);
    return this.iovaHigh + Math.floor((this.iovaLow + offset) / 2 ** 32);
  }

  /** Gives the memory back to its mapper: no device may use it from then on. Freeing twice does nothing. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    this.#place.release();
  }

  [Symbol.dispose](): void {
    this.free();
  }

  #check(offset: number): void {
    this.#checkLive();
    if (Number.isInteger(offset) && offset >= 0 && offset < this.length) return;
    const problem = `offset ${shownValue(offset)} is not in this DMA buffer of ${this.length} bytes`;
    throw new VfioRangeError("ERR_VFIO_NOT_MAPPED", problem);
  }

  #checkLive(): void {
    if (this.#freed) throw closedError("this DMA buffer");
  }
}

/** Where a buffer or pool begins in a `LinearMemory`, if its memory lies in one. */
export function placeOf({ memory, offset }: BufferPlace): LinearPlace | undefined {
  return memory.place && { memory: memory.place.memory, address: memory.place.address + offset };
}

/** An array on the place's memory: in a `LinearMemory`, if it lies in one. */
export function arrayOn<T>(
  kind: new (memory: ArrayBufferLike, offset: number, length: number) => T,
  place: BufferPlace,
  length: number,
): T {
  const linear = placeOf(place);
  return linear === undefined
    ? new kind(place.memory.buffer, place.offset, length)
    : new kind(linear.memory.buffer, linear.address, length);
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function checkPlace(place: Partial<BufferPlace>): void {
  const expected = "a place in memory: { memory, table, offset, bytes, release },";
  checkObject(place, expected);
  const { memory, table, offset, bytes, release } = place;
  const areObjects = typeof memory === "object" && typeof table === "object" && typeof release === "function";
  if (!areObjects || typeof offset !== "number" || typeof bytes !== "number")
    throw argumentError(place, expected);
}

import { VfioError, VfioRangeError, type Extent, type LinearPlace } from "@vfio/ioctl-native";
import { clip, closedError, printAs, shownValue } from "@vfio/ioctl-native/internal";
import { argumentError, isCount, numberError } from "../arguments.js";
import { IovaIndex } from "../iova/iova-index.js";
import { arrayOn, checkPlace, placeOf, type BufferPlace } from "./dma-buffer.js";

/**
 * Many DMA blocks of one size, for rings and packets. A block is a small number, its index: taking one and giving it
 * back are two array accesses each and make no garbage. Freeing a block twice is an error, not a corrupted ring.
 * @example
 * ```ts
 * // needs a device
 * import { DmaMapper } from "@vfio/dma";
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * using dma = new DmaMapper(container, { iova: "allocate" });
 * using pool = dma.pool({ count: 256, bytes: 2048 });
 * const block = pool.alloc(); // an index, or -1 when all are taken
 * pool.view(block).fill(0);
 * console.log(pool.iovaLow(block), pool.iovaHigh(block)); // for the descriptor: no BigInt
 * pool.free(block);
 * ```
 */
export class DmaPool implements Disposable {
  static {
    printAs(DmaPool, (it) => ({
      count: it.count,
      blockBytes: it.blockBytes,
      available: it.#depth,
      closed: it.#closed,
    }));
  }

  readonly count: number;
  readonly blockBytes: number;
  readonly #place: BufferPlace;
  /** A stack of free indexes: the block freed last is taken first, since the processor's cache still has it. */
  readonly #stack: Uint32Array;
  readonly #taken: Uint8Array;
  /** The halves of each block's IOVA; empty after close. */
  #low: Uint32Array;
  #high: Uint32Array;
  readonly #index: IovaIndex;
  readonly #blocksPerByte: number;
  #depth: number;
  #closed = false;

  /**
   * Programs call `DmaMapper.pool`.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` if one of the blocks is not one piece for the device.
   */
  constructor(place: BufferPlace, count: number, blockBytes: number) {
    checkPlace(place);
    for (const each of [count, blockBytes])
      if (!isCount(each)) throw argumentError(each, "a whole number above 0");
    const { table, offset } = place;
    this.#place = place;
    this.count = count;
    this.blockBytes = blockBytes;
    this.#stack = Uint32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.#depth = count;
    this.#taken = new Uint8Array(count);
    const places = Float64Array.from({ length: count }, (_, index) => offset + index * blockBytes);
    this.#low = Uint32Array.from(places, (at) => table.iovaLow(at, blockBytes));
    this.#high = Uint32Array.from(places, (at) => table.iovaHigh(at, blockBytes));
    this.#blocksPerByte = 1 / blockBytes;
    this.#index = new IovaIndex(partOf(table.extents, place));
  }

  get available(): number {
    return this.#depth;
  }

  /** Where block 0 begins in the `LinearMemory` that the pool was asked for `within`. */
  get place(): LinearPlace | undefined {
    return placeOf(this.#place);
  }

  /** The memory of all blocks; block `i` starts at `i * blockBytes`. */
  get bytes(): Uint8Array {
    if (this.#closed) throw closedError("this DMA pool");
    return arrayOn(Uint8Array, this.#place, this.#place.bytes);
  }

  /**
   * Takes a block and returns its index, or -1 if none is free: an empty pool is no failure.
   * @throws VfioError `ERR_VFIO_CLOSED` after close.
   */
  alloc(): number {
    if (this.#depth === 0) return this.#closed ? this.#refuse(0) : -1;
    this.#depth -= 1;
    const index = this.#stack[this.#depth] ?? 0;
    this.#taken[index] = 1;
    return index;
  }

  /**
   * Gives a block back.
   * @throws VfioError `ERR_VFIO_DOUBLE_FREE` if it is free already; VfioRangeError `ERR_VFIO_POOL_INDEX`.
   */
  free(index: number): void {
    if (this.#taken[index] !== 1) this.#refuse(index);
    this.#taken[index] = 0;
    this.#stack[this.#depth] = index;
    this.#depth += 1;
  }

  /**
   * Where a block starts in {@link bytes}.
   * @throws VfioRangeError `ERR_VFIO_POOL_INDEX`; after close VfioError `ERR_VFIO_CLOSED`.
   */
  offsetOf(index: number): number {
    return this.#low[index] === undefined || !Number.isInteger(index)
      ? this.#refuse(index)
      : index * this.blockBytes;
  }

  /** The lower 32 bits of a block's device address. Throws what {@link offsetOf} throws. */
  iovaLow(index: number): number {
    return this.#low[index] ?? this.#refuse(index);
  }

  /** The upper 32 bits of a block's device address. Throws what {@link offsetOf} throws. */
  iovaHigh(index: number): number {
    return this.#high[index] ?? this.#refuse(index);
  }

  /**
   * The block at a device address, given in halves (whole numbers from 0 to 0xffffffff), such as a device reports back.
   * Finds free blocks too.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` outside the pool; after close VfioError `ERR_VFIO_CLOSED`.
   */
  blockAt(low: number, high: number): number {
    if (this.#closed) throw closedError("this DMA pool");
    const offset = this.#offsetAt(low, high) - this.#place.offset;
    if (offset >= 0) return this.#blockOf(offset);
    const problem = `the IOVA with the lower half ${low} and the upper half ${high} is in no block of the DMA pool`;
    throw new VfioRangeError("ERR_VFIO_NOT_MAPPED", problem);
  }

  /**
   * Writes the device addresses of all blocks, for compiled code: block `i`'s lower half at `target[2 * i]`, its upper
   * one behind it.
   * @throws VfioRangeError `ERR_VFIO_STRUCT_BOUNDS` for a target of fewer words; VfioError `ERR_VFIO_CLOSED` after
   * close.
   */
  iovasInto(target: Uint32Array): void {
    if (this.#closed) throw closedError("this DMA pool");
    if (!(target instanceof Uint32Array))
      throw argumentError(target, "a Uint32Array for the halves of IOVAs");
    if (target.length < 2 * this.count) {
      const problem = `the IOVAs of ${this.count} blocks take ${2 * this.count} words, not ${target.length}`;
      throw new VfioRangeError("ERR_VFIO_STRUCT_BOUNDS", problem);
    }
    this.#low.forEach((low, block) => (target[2 * block] = low));
    this.#high.forEach((high, block) => (target[2 * block + 1] = high));
  }

  /** A block's device address. Not for hot loops: it makes a BigInt. */
  iovaOf(index: number): bigint {
    return (BigInt(this.iovaHigh(index)) << 32n) | BigInt(this.iovaLow(index));
  }

  /** One block's memory: make such views once, not in a loop. */
  view(index: number): Uint8Array {
    const offset = this.offsetOf(index);
    return this.bytes.subarray(offset, offset + this.blockBytes);
  }

  /** Gives the pool's memory back, taken blocks included. Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#place.release();
    this.#depth = 0;
    this.#taken.fill(0);
    this.#low = this.#high = new Uint32Array();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A product is faster than a quotient; with half a byte more it is never rounded below a block's first byte. */
  #blockOf(offset: number): number {
    return Math.floor((offset + 0.5) * this.#blocksPerByte);
  }

  #offsetAt(low: number, high: number): number {
    try {
      return this.#index.offsetOf(low, high, 1);
    } catch (error) {
      throw numberError([low, high], error);
    }
  }

  #refuse(index: number): never {
    if (this.#closed) throw closedError("this DMA pool");
    if (Number.isInteger(index) && index >= 0 && index < this.count) {
      throw new VfioError("ERR_VFIO_DOUBLE_FREE", `block ${index} of the DMA pool is free already`);
    }
    throw new VfioRangeError(
      "ERR_VFIO_POOL_INDEX",
      `the DMA pool has blocks 0 to ${this.count - 1}, not ${shownValue(index)}`,
    );
  }
}

/** The parts of the extents that lie in the place, as offsets from its start. */
function partOf(extents: readonly Extent[], { offset, bytes }: BufferPlace): Extent[] {
  const end = offset + bytes;
  const inside = extents.filter((each) => each.offset < end && each.offset + each.bytes > offset);
  return inside.map((each) => clip(each, offset, end));
}

import { closedError, VfioError, VfioRangeError } from "@vfio/ioctl-native";
import type { DmaBuffer } from "./dma-buffer.js";

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
  /** How many blocks there are. */
  readonly count: number;
  /** The size of each block in bytes. */
  readonly blockBytes: number;
  readonly #buffer: DmaBuffer;
  /** A stack of free indexes: the block freed last is taken first, since the processor's cache still has it. */
  readonly #stack: Uint32Array;
  readonly #taken: Uint8Array;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  #depth: number;
  #closed = false;

  /** Programs call `DmaMapper.pool`. */
  constructor(buffer: DmaBuffer, count: number, blockBytes: number) {
    this.#buffer = buffer;
    this.count = count;
    this.blockBytes = blockBytes;
    this.#stack = Uint32Array.from({ length: count }, (_, index) => count - 1 - index);
    this.#depth = count;
    this.#taken = new Uint8Array(count);
    this.#low = Uint32Array.from({ length: count }, (_, index) => buffer.iovaLowAt(index * blockBytes));
    this.#high = Uint32Array.from({ length: count }, (_, index) => buffer.iovaHighAt(index * blockBytes));
  }

  /** How many blocks are free. */
  get available(): number {
    return this.#depth;
  }

  /** The memory of all blocks; block `i` starts at `i * blockBytes`. */
  get bytes(): Uint8Array {
    return this.#buffer.bytes;
  }

  /** Takes a block and returns its index, or -1 if none is free. After close: VfioError `ERR_VFIO_CLOSED`. */
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

  /** Where a block starts in {@link bytes}. */
  offsetOf(index: number): number {
    return index * this.blockBytes;
  }

  /** The lower 32 bits of the address that a device uses for a block. */
  iovaLow(index: number): number {
    return this.#low[index] ?? this.#refuse(index);
  }

  /** The upper 32 bits of the address that a device uses for a block. */
  iovaHigh(index: number): number {
    return this.#high[index] ?? this.#refuse(index);
  }

  /** The address that a device uses for a block. Not for hot loops: it makes a BigInt. */
  iovaOf(index: number): bigint {
    return (BigInt(this.iovaHigh(index)) << 32n) | BigInt(this.iovaLow(index));
  }

  /** One block's memory: make such views once, not in a loop. */
  view(index: number): Uint8Array {
    this.iovaLow(index);
    return this.bytes.subarray(index * this.blockBytes, (index + 1) * this.blockBytes);
  }

  /** Gives the pool's memory back, taken blocks included. Twice does nothing. */
  close(): void {
    this.#closed = true;
    this.#buffer.free();
    this.#depth = 0;
    this.#taken.fill(0);
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #refuse(index: number): never {
    if (this.#closed) throw closedError("this DMA pool");
    if (Number.isInteger(index) && index >= 0 && index < this.count) {
      throw new VfioError("ERR_VFIO_DOUBLE_FREE", `block ${index} of the DMA pool is free already`);
    }
    throw new VfioRangeError(
      "ERR_VFIO_POOL_INDEX",
      `the DMA pool has blocks 0 to ${this.count - 1}, not ${index}`,
    );
  }
}

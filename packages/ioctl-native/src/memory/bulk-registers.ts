import { argumentError, shownValue } from "../errors/argument-error.js";
import { errnoOf, VfioError, VfioRangeError } from "../errors/errors.js";
import { closedError } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import type { BulkRegisterFunctions } from "../kernel/system-calls.js";
import { linearHalves, type LinearHalves } from "./linear-registers.js";
import { checkedLength, type Mapping } from "./mapping.js";
import { printAs } from "../errors/printed.js";
import { inSlices, LONGEST_MICROSECONDS, SLICE_MICROSECONDS } from "../events/slices.js";

/** Its elements are registers of the elements' width. */
export type RegisterArray = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;

/** In bits. */
export type RegisterWidth = 8 | 16 | 32 | 64;

interface BlockShape {
  readonly BYTES_PER_ELEMENT: number;
  readonly length: number;
}

const ONE_OF_64_BITS: BlockShape = { BYTES_PER_ELEMENT: 8, length: 1 };
const NO_SUCH_OFFSET = errnoOf("ERANGE");
const CLOSED = errnoOf("EBADF");
const READ_ONLY = errnoOf("EACCES");
const ONES = 0xffffffff;
const GONE = errnoOf("ENODEV");

/**
 * Accesses many registers of a mapping, or one repeatedly: blocks, the halves of 64 bits, polling. Each register is one
 * access of exactly its width, in order.
 *
 * All methods throw VfioRangeError `ERR_VFIO_REGISTER_OFFSET` for an offset outside the mapping or not aligned to the
 * width, `ERR_VFIO_REGISTER_VALUE` for an argument of the wrong type or size; VfioError `ERR_VFIO_CLOSED`;
 * `ERR_VFIO_DEVICE_GONE` or `ERR_VFIO_MEMORY_GONE` if the memory has gone away, even during the call: what was read
 * then cannot be trusted; and those that write `ERR_VFIO_READ_ONLY`. In a `LinearMemory`, where BARs lie, halves need no
 * native call: `readHalves` then notices it by ones only, and `writeHalves` not at all; `Mapping.gone` tells.
 * @example
 * ```ts
 * import { BulkRegisters, createMemoryFile, Mapping } from "@vfio/ioctl-native";
 *
 * using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
 * using mapping = Mapping.map({ file, bytes: 4096, name: "registers" });
 * const bulk = new BulkRegisters(mapping);
 * bulk.writeBlock(0x10, new Uint32Array([1, 2, 3]));
 * console.log(bulk.poll(0x14, 32, 0xff, 2, 1000)); // 2
 * ```
 */
export class BulkRegisters {
  static {
    printAs(BulkRegisters, (it) => ({ mapping: it.#mapping.name, closed: it.#mapping.closed }));
  }

  readonly #mapping: Mapping;
  readonly #native: BulkRegisterFunctions;
  readonly #halves: LinearHalves | undefined;

  readonly #bytes: number;

  /**
   * @param part which registers: offsets count from its start. Default: all.
   * @throws VfioError `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_MAP_RANGE` for a part outside the mapping.
   */
  constructor(mapping: Mapping, part?: { readonly offset: number; readonly bytes: number }) {
    // JavaScript callers may pass anything.
    const handle: unknown = (mapping as Mapping | null | undefined)?.handle;
    if (typeof handle !== "number") throw argumentError("the mapping", "a Mapping", mapping);
    const { offset = 0, bytes = mapping.bytes } = part ?? {};
    const native = kernel().bulkRegisters(handle, offset, checkedLength(mapping, offset, bytes));
    if (mapping.closed || typeof native === "number") throw closedError(mapping.name);
    this.#mapping = mapping;
    this.#bytes = bytes;
    this.#native = native;
    const linear = mapping.linearPart(offset, bytes);
    this.#halves = linear && linearHalves(linear);
  }

  /**
   * Reads neighbouring registers, one for each element of the array.
   * @param offset of the first register, in bytes; a multiple of the element's width.
   */
  readBlock(offset: number, target: RegisterArray): void {
    const result = this.#native.readBlock(offset, target, false);
    if (result < 0) throw this.#error(result, offset, target);
  }

  /** Writes neighbouring registers, one for each element of the array. */
  writeBlock(offset: number, source: RegisterArray): void {
    const result = this.#native.writeBlock(offset, source, false);
    if (result < 0) throw this.#error(result, offset, source);
  }

  /** Reads one register repeatedly, once for each element: a FIFO's data register. */
  readFifo(offset: number, target: RegisterArray): void {
    const result = this.#native.readBlock(offset, target, true);
    if (result < 0) throw this.#error(result, offset, target, true);
  }

  /** Writes one register repeatedly, once for each element: a FIFO's data register. */
  writeFifo(offset: number, source: RegisterArray): void {
    const result = this.#native.writeBlock(offset, source, true);
    if (result < 0) throw this.#error(result, offset, source, true);
  }

  /** One 64-bit load without a bigint: `halves[0]` becomes the lower half, `halves[1]` the upper. */
  readHalves(offset: number, halves: Uint32Array): void {
    if (this.#halves?.read(offset, halves) === true) {
      // What is read of a device that is gone.
      if (halves[0] === ONES && halves[1] === ONES) this.#mapping.checkPresent();
      return;
    }
    const result = this.#native.readHalves(offset, halves);
    if (result < 0) throw this.#error(result, offset, ONE_OF_64_BITS);
  }

  /** One 64-bit store without a bigint. */
  writeHalves(offset: number, low: number, high: number): void {
    if (this.#halves?.write(offset, low, high) === true) return;
    const result = this.#native.writeHalves(offset, low, high);
    if (result < 0) throw this.#error(result, offset, ONE_OF_64_BITS);
  }

  /**
   * Reads one register, at least once, until the bits under the mask have the wanted value or the time is up. Blocks
   * the thread, which can still be ended.
   * @param microseconds 0 to 2^40, a whole number.
   * @returns the last value read.
   */
  poll(offset: number, width: 8 | 16 | 32, mask: number, wanted: number, microseconds: number): number;
  /** The same for 64 bits, with bigints. */
  poll(offset: number, width: 64, mask: bigint, wanted: bigint, microseconds: number): bigint;
  poll(
    offset: number,
    width: RegisterWidth,
    mask: number | bigint,
    wanted: number | bigint,
    microseconds: number,
  ): number | bigint {
    if (typeof width !== "number") throw bulkArgumentError(this.#mapping.name);
    const last = isLong(microseconds)
      ? this.#pollOn(offset, width, mask, wanted, microseconds)
      : this.#native.poll(offset, width / 8, mask, wanted, microseconds);
    if (last < 0) throw this.#error(Number(last), offset, { BYTES_PER_ELEMENT: width / 8, length: 1 });
    return last;
  }

  #pollOn(
    offset: number,
    width: RegisterWidth,
    mask: number | bigint,
    wanted: number | bigint,
    microseconds: number,
  ): number | bigint {
    return inSlices(
      microseconds,
      (slice) => this.#native.poll(offset, width / 8, mask, wanted, slice),
      (value) => value < 0 || hasBits(value, mask, wanted),
    );
  }

  #error(errno: number, offset: number, block: BlockShape, isFifo = false): Error {
    const { name } = this.#mapping;
    if (errno === CLOSED) return closedError(name);
    if (errno === GONE) this.#mapping.checkPresent();
    if (errno === READ_ONLY) return new VfioError("ERR_VFIO_READ_ONLY", `${name} can only be read`);
    if (errno !== NO_SUCH_OFFSET) return bulkArgumentError(name);
    const { BYTES_PER_ELEMENT: width, length } = block;
    return registerOffsetError({ offset, width, count: isFifo ? 1 : length, name, bytes: this.#bytes });
  }
}

/** Invalid times are for the native function to refuse. */
function isLong(microseconds: number): boolean {
  return (
    Number.isInteger(microseconds) &&
    microseconds > SLICE_MICROSECONDS &&
    microseconds <= LONGEST_MICROSECONDS
  );
}

/** True if the bits under a mask are as wanted. Numbers may be signed, as JavaScript's bit operators make them. */
export function hasBits(value: number | bigint, mask: number | bigint, wanted: number | bigint): boolean {
  if (typeof value === "bigint") return (value & BigInt(mask)) === BigInt(wanted);
  return (value & Number(mask)) === (Number(wanted) | 0);
}

/** The error of an access outside its registers, or not aligned. Offset, width and length are in bytes. */
export function registerOffsetError(access: {
  readonly offset: number;
  readonly width: number;
  readonly count?: number;
  readonly name: string;
  readonly bytes: number;
}): VfioRangeError {
  const { offset, width, count = 1, name, bytes } = access;
  const what = count === 1 ? `width ${width}` : `width ${width}, ${count} of them`;
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_OFFSET",
    `register offset ${shownValue(offset)} (${what}) must be a multiple of its width and lie within ${name} (${bytes} bytes)`,
  );
}

/** The error of a block that is no array of registers, or of a half or mask that does not fit. */
export function bulkArgumentError(name: string): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_VALUE",
    `a block of registers of ${name} must be a Uint8Array, Uint16Array, Uint32Array or BigUint64Array, ` +
      "halves a Uint32Array of 2 or integers of 32 bits, and a mask and what it selects must fit the register",
  );
}

import { types } from "node:util";
import {
  readAt,
  VfioRangeError,
  writeAt,
  type RegisterArray,
  type RegisterFunctions,
  type RegisterWidth,
} from "@vfio/ioctl-native";
import type { BulkAccess, RegionBackend, RegionFile, RegionShape } from "./region-backend.js";
import { readOnlyError } from "./read-only.js";
import { checkBlock, checkSpan } from "./register-array.js";
import { checkValue } from "../registers/register-value.js";

/**
 * A region by `pread` and `pwrite` on the device's file.
 *
 * The kernel (`vfio_pci_core_do_io_rw`) makes of 1, 2 or 4 aligned bytes exactly one access of that width. Of 8 bytes it
 * makes two accesses of 4 up to Linux 6.9, and for I/O ports in any version: so there is no 64-bit access here.
 */
export class FileBackend implements RegionBackend, BulkAccess {
  readonly registers: RegisterFunctions = {
    read8: (offset) => this.#read(offset, 1),
    read16: (offset) => this.#read(offset, 2),
    read32: (offset) => this.#read(offset, 4),
    read64: () => this.#refuse64(),
    write8: (offset, value) => this.#write(offset, 1, value),
    write16: (offset, value) => this.#write(offset, 2, value),
    write32: (offset, value) => this.#write(offset, 4, value),
    write64: () => this.#refuse64(),
  };
  readonly bulk = this;
  readonly #shape: RegionShape;
  readonly #file: RegionFile;
  readonly #checkOpen: () => void;

  /** @param checkOpen throws once the region is closed. */
  constructor(shape: RegionShape, file: RegionFile, checkOpen: () => void) {
    this.#shape = shape;
    this.#file = file;
    this.#checkOpen = checkOpen;
  }

  readBlock(offset: number, target: RegisterArray): void {
    this.#readEach(offset, target, false);
  }

  writeBlock(offset: number, source: RegisterArray): void {
    this.#writeEach(offset, source, false);
  }

  readFifo(offset: number, target: RegisterArray): void {
    this.#readEach(offset, target, true);
  }

  writeFifo(offset: number, source: RegisterArray): void {
    this.#writeEach(offset, source, true);
  }

  readHalves(): never {
    this.#refuse64();
  }

  writeHalves(): never {
    this.#refuse64();
  }

  poll(offset: number, width: 8 | 16 | 32, mask: number, wanted: number, microseconds: number): number;
  poll(offset: number, width: 64, mask: bigint, wanted: bigint, microseconds: number): bigint;
  poll(
    offset: number,
    width: RegisterWidth,
    mask: number | bigint,
    wanted: number | bigint,
    microseconds: number,
  ): number | bigint {
    if (width === 64) return this.#refuse64();
    const end = performance.now() + microseconds / 1000;
    let value = this.#read(offset, width / 8);
    while ((value & Number(mask)) >>> 0 !== Number(wanted) >>> 0 && performance.now() < end)
      value = this.#read(offset, width / 8);
    return value;
  }

  #readEach(offset: number, target: RegisterArray, isFifo: boolean): void {
    const { width } = checkBlock(offset, target, isFifo, this.#shape);
    if (types.isBigUint64Array(target)) this.#refuse64();
    const stride = isFifo ? 0 : width;
    for (let index = 0; index < target.length; index++)
      target[index] = this.#read(offset + index * stride, width);
  }

  #writeEach(offset: number, source: RegisterArray, isFifo: boolean): void {
    const { width } = checkBlock(offset, source, isFifo, this.#shape);
    if (types.isBigUint64Array(source)) this.#refuse64();
    const stride = isFifo ? 0 : width;
    source.forEach((value, index) => this.#write(offset + index * stride, width, value));
  }

  #read(offset: number, width: number): number {
    this.#checkOpen();
    checkSpan(offset, width, 1, this.#shape);
    const { device, offset: start } = this.#file;
    const { buffer } = readAt(device, start + offset, width, this.#shape.name);
    const view = new DataView(buffer);
    if (width === 4) return view.getUint32(0, true);
    return width === 2 ? view.getUint16(0, true) : view.getUint8(0);
  }

  #write(offset: number, width: number, value: number): void {
    this.#checkOpen();
    checkSpan(offset, width, 1, this.#shape);
    if (!this.#shape.writable) throw readOnlyError(this.#shape.name);
    checkValue(value, width);
    const bytes = Uint8Array.of(value, value >> 8, value >> 16, value >> 24).subarray(0, width);
    const { device, offset: start } = this.#file;
    writeAt(device, start + offset, bytes, this.#shape.name);
  }

  #refuse64(): never {
    this.#checkOpen();
    throw registerWidthError(this.#shape.name);
  }
}

/** What is reached by `pread` and `pwrite` has no access of 64 bits. */
export function registerWidthError(name: string): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_WIDTH",
    `${name} has no 64-bit access here: it is reached by pread and pwrite, of which the kernel may make two`,
    { hint: "Use two 32-bit accesses, in the order that the device wants" },
  );
}

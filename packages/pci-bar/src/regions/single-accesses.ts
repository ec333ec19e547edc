import {
  type BulkAccess,
  type RegisterAccess,
  type RegisterArray,
  type RegisterFunctions,
  type RegisterWidth,
} from "@vfio/ioctl-native";
import { bulkArgumentError, hasBits } from "@vfio/ioctl-native/internal";
import { types } from "node:util";
import { checkValue, checkWideValue, registerWidthError } from "../registers/register-value.js";
import { readOnlyError } from "./read-only.js";
import type { RegionAccess } from "./region-access.js";
import type { RegionShape } from "./region-parts.js";
import { checkBlock, checkSpan } from "./register-array.js";

type Width = 1 | 2 | 4;

/**
 * Registers accessed one at a time through a {@link RegionAccess}; little-endian, as PCI's.
 *
 * The kernel (`vfio_pci_core_do_io_rw`) turns a `pread` or `pwrite` of 1, 2 or 4 aligned bytes into one access of that
 * width, but 8 bytes into two accesses of 4 (up to Linux 6.9; for I/O ports in any version): so 64 bits are refused
 * there.
 */
export class SingleAccesses implements RegisterAccess, BulkAccess {
  readonly registers: RegisterFunctions = {
    read8: (offset) => this.#read(offset, 1),
    read16: (offset) => this.#read(offset, 2),
    read32: (offset) => this.#read(offset, 4),
    read64: (offset) => this.#read64(offset),
    write8: (offset, value) => this.#write(offset, 1, value),
    write16: (offset, value) => this.#write(offset, 2, value),
    write32: (offset, value) => this.#write(offset, 4, value),
    write64: (offset, value) => this.#write64(offset, value),
  };
  readonly bulk = this;
  readonly #shape: RegionShape;
  readonly #access: RegionAccess;
  readonly #checkOpen: () => void;
  /** The bytes of the access in progress: there is one at a time. */
  readonly #view = new DataView(new ArrayBuffer(8));
  readonly #carried = {
    1: new Uint8Array(this.#view.buffer, 0, 1),
    2: new Uint8Array(this.#view.buffer, 0, 2),
    4: new Uint8Array(this.#view.buffer, 0, 4),
    8: new Uint8Array(this.#view.buffer),
  };

  /** @param checkOpen throws once the region is closed. */
  constructor(shape: RegionShape, access: RegionAccess, checkOpen: () => void) {
    this.#shape = shape;
    this.#access = access;
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

  readHalves(offset: number, halves: Uint32Array): void {
    this.#checkWide();
    if (!types.isUint32Array(halves) || halves.length < 2) throw bulkArgumentError(this.#shape.name);
    this.#fetch(offset, 8);
    halves[0] = this.#view.getUint32(0, true);
    halves[1] = this.#view.getUint32(4, true);
  }

  writeHalves(offset: number, low: number, high: number): void {
    this.#checkWide();
    for (const half of [low, high]) checkValue(half, 4);
    this.#checkStore(offset, 8);
    this.#view.setUint32(0, low, true);
    this.#view.setUint32(4, high, true);
    this.#access.write(offset, this.#carried[8]);
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
    const end = performance.now() + microseconds / 1000;
    for (;;) {
      const value = width === 64 ? this.#read64(offset) : this.#read(offset, (width / 8) as Width);
      if (hasBits(value, mask, wanted) || performance.now() >= end) return value;
    }
  }

  #readEach(offset: number, target: RegisterArray, isFifo: boolean): void {
    const { width } = checkBlock(offset, target, isFifo, this.#shape);
    const stride = isFifo ? 0 : width;
    for (let index = 0; index < target.length; index++) {
      const at = offset + index * stride;
      target[index] = width === 8 ? this.#read64(at) : this.#read(at, width as Width);
    }
  }

  #writeEach(offset: number, source: RegisterArray, isFifo: boolean): void {
    const { width } = checkBlock(offset, source, isFifo, this.#shape);
    const stride = isFifo ? 0 : width;
    source.forEach((value: number | bigint, index: number) => {
      const at = offset + index * stride;
      if (typeof value === "bigint") this.#write64(at, value);
      else this.#write(at, width as Width, value);
    });
  }

  #read(offset: number, width: Width): number {
    this.#fetch(offset, width);
    if (width === 4) return this.#view.getUint32(0, true);
    return width === 2 ? this.#view.getUint16(0, true) : this.#view.getUint8(0);
  }

  #read64(offset: number): bigint {
    this.#checkWide();
    this.#fetch(offset, 8);
    return this.#view.getBigUint64(0, true);
  }

  #write(offset: number, width: Width, value: number): void {
    this.#checkStore(offset, width);
    checkValue(value, width);
    this.#view.setInt32(0, value, true);
    this.#access.write(offset, this.#carried[width]);
  }

  #write64(offset: number, value: bigint): void {
    this.#checkWide();
    this.#checkStore(offset, 8);
    checkWideValue(value);
    this.#view.setBigUint64(0, value, true);
    this.#access.write(offset, this.#carried[8]);
  }

  #fetch(offset: number, width: Width | 8): void {
    this.#checkOpen();
    checkSpan(offset, width, 1, this.#shape);
    this.#access.read(offset, this.#carried[width]);
  }

  #checkStore(offset: number, width: number): void {
    this.#checkOpen();
    checkSpan(offset, width, 1, this.#shape);
    if (!this.#shape.writable) throw readOnlyError(this.#shape.name);
  }

  #checkWide(): void {
    this.#checkOpen();
    if (this.#access.wide !== true) throw registerWidthError(this.#shape.name);
  }
}

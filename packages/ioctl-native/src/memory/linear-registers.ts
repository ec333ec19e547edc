import type { RegisterFunctions } from "../kernel/kernel.js";
import { has64Bits, hasBitsOf } from "./register-bits.js";
import type { RegisterModule } from "./register-module.js";

/** How much of a memory may still be accessed: nothing, once the mapping is closed. */
export interface LinearExtent {
  /** The address of its first byte. */
  readonly address: number;
  /** Its length in bytes, and in units of 16, 32 and 64 bits. */
  bytes: number;
  halves: number;
  words: number;
  doubles: number;
}

/** The part of a memory that begins at an address. */
export function linearExtent(address: number, bytes: number): LinearExtent {
  return { address, bytes, halves: bytes >>> 1, words: bytes >>> 2, doubles: bytes >>> 3 };
}

/** No access is in it any more. */
export function endExtent(extent: LinearExtent): void {
  extent.bytes = extent.halves = extent.words = extent.doubles = 0;
}

/**
 * Register accessors that need no native call: WebAssembly code on the pages themselves.
 * @param native does every call that is wrong: it knows the error.
 */
export function linearRegisters(
  native: RegisterFunctions,
  module: RegisterModule,
  extent: LinearExtent,
): RegisterFunctions {
  return {
    ...native,
    ...loads(native, module, extent),
    ...("write8" in native && stores(native, module, extent)),
  };
}

// An offset that is no whole number below 2^32, or no multiple of the width, does not survive the shifting.

function loads(native: RegisterFunctions, module: RegisterModule, extent: LinearExtent) {
  const { load8, load16, load32, load64 } = module;
  const { address } = extent;
  return {
    read8: (offset: number): number => {
      if (typeof offset !== "number" || offset >>> 0 !== offset || offset >= extent.bytes)
        return native.read8(offset);
      return load8((address + offset) | 0);
    },
    read16: (offset: number): number => {
      if (typeof offset !== "number") return native.read16(offset);
      const index = offset >>> 1;
      if ((index << 1) >>> 0 !== offset || index >= extent.halves) return native.read16(offset);
      return load16((address + offset) | 0);
    },
    read32: (offset: number): number => {
      if (typeof offset !== "number") return native.read32(offset);
      const index = offset >>> 2;
      if ((index << 2) >>> 0 !== offset || index >= extent.words) return native.read32(offset);
      return load32((address + offset) | 0) >>> 0;
    },
    read64: (offset: number): bigint => {
      if (typeof offset !== "number") return native.read64(offset);
      const index = offset >>> 3;
      if ((index << 3) >>> 0 !== offset || index >= extent.doubles) return native.read64(offset);
      return BigInt.asUintN(64, load64((address + offset) | 0));
    },
  };
}

function stores(native: RegisterFunctions, module: RegisterModule, extent: LinearExtent) {
  const { store8, store16, store32, store64 } = module;
  const { address } = extent;
  return {
    write8: (offset: number, value: number): void => {
      if (
        typeof offset !== "number" ||
        offset >>> 0 !== offset ||
        offset >= extent.bytes ||
        !hasBitsOf(8, value)
      )
        return native.write8(offset, value);
      store8((address + offset) | 0, value | 0);
    },
    write16: (offset: number, value: number): void => {
      if (typeof offset !== "number") return native.write16(offset, value);
      const index = offset >>> 1;
      if ((index << 1) >>> 0 !== offset || index >= extent.halves || !hasBitsOf(16, value))
        return native.write16(offset, value);
      store16((address + offset) | 0, value | 0);
    },
    write32: (offset: number, value: number): void => {
      if (typeof offset !== "number" || typeof value !== "number") return native.write32(offset, value);
      const index = offset >>> 2;
      if ((index << 2) >>> 0 !== offset || index >= extent.words) return native.write32(offset, value);
      if (value >> 0 !== value && value >>> 0 !== value) return native.write32(offset, value);
      store32((address + offset) | 0, value | 0);
    },
    write64: (offset: number, value: bigint): void => {
      if (typeof offset !== "number") return native.write64(offset, value);
      const index = offset >>> 3;
      if ((index << 3) >>> 0 !== offset || index >= extent.doubles || !has64Bits(value))
        return native.write64(offset, value);
      store64((address + offset) | 0, value);
    },
  };
}

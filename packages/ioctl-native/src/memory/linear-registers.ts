import type { RegisterFunctions } from "../kernel/system-calls.js";
import { has32Bits, has64Bits, hasBitsOf } from "./register-bits.js";
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

/** A part of a memory, and the code that reaches it. */
export interface LinearPart {
  /** The code. */
  readonly module: RegisterModule;
  readonly extent: LinearExtent;
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
  { module, extent }: LinearPart,
): RegisterFunctions {
  return { ...loads(native, module, extent), ...stores(native, module, extent) };
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
      if (typeof offset !== "number") return native.write32(offset, value);
      const index = offset >>> 2;
      if ((index << 2) >>> 0 !== offset || index >= extent.words || !has32Bits(value))
        return native.write32(offset, value);
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

/** The accesses of {@link BulkRegisters} to 64 bits as two halves; false for what the native function has to answer. */
export interface LinearHalves {
  /** One load. */
  readonly read: (offset: number, halves: Uint32Array) => boolean;
  /** One store. */
  readonly write: (offset: number, low: number, high: number) => boolean;
}

/** Those on a part of a memory. */
export function linearHalves({ module, extent }: LinearPart): LinearHalves {
  const { loadHalves, upper, storeHalves } = module;
  const { address } = extent;
  return {
    read: (offset, halves) => {
      if (typeof offset !== "number" || !(halves instanceof Uint32Array) || halves.length < 2) return false;
      const index = offset >>> 3;
      if ((index << 3) >>> 0 !== offset || index >= extent.doubles) return false;
      const low = loadHalves((address + offset) | 0);
      const high = upper();
      halves[0] = low;
      halves[1] = high;
      return true;
    },
    write: (offset, low, high) => {
      if (typeof offset !== "number" || !has32Bits(low) || !has32Bits(high)) return false;
      const index = offset >>> 3;
      if ((index << 3) >>> 0 !== offset || index >= extent.doubles) return false;
      storeHalves((address + offset) | 0, low | 0, high | 0);
      return true;
    },
  };
}

import type { BulkAccess, RegionWindow, RegisterAccess } from "../contracts/region-window.js";
import type { RegisterFunctions } from "../kernel/kernel.js";
import { BulkRegisters } from "./bulk-registers.js";
import type { Mapping } from "./mapping.js";

/**
 * A mapping as a window of a region: nothing stands between the caller and the native functions.
 * @param offset where it begins in the region, in bytes.
 */
export function mappedWindow(offset: number, mapping: Mapping): RegionWindow {
  return new MappedWindow(offset, mapping);
}

/** A class: V8 makes a slow dictionary of every object literal but the first that has a getter. */
class MappedWindow implements RegionWindow {
  readonly offset: number;
  readonly bytes: number;
  readonly handle: number;
  readonly registers: RegisterFunctions;
  readonly bulk: BulkAccess;
  readonly #mapping: Mapping;

  constructor(offset: number, mapping: Mapping) {
    this.offset = offset;
    this.bytes = mapping.bytes;
    this.handle = mapping.handle;
    this.registers = mapping.registers;
    this.bulk = new BulkRegisters(mapping);
    this.#mapping = mapping;
  }

  get gone(): boolean {
    return this.#mapping.gone;
  }

  part(offset: number, bytes: number): RegisterAccess {
    const registers = this.#mapping.registersOf(offset, bytes);
    return { registers, bulk: new BulkRegisters(this.#mapping, { offset, bytes }) };
  }

  close(): void {
    this.#mapping.close();
  }
}

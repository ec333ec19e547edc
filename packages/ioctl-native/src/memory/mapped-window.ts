import type { RegionWindow } from "../contracts/region-window.js";
import { BulkRegisters } from "./bulk-registers.js";
import type { Mapping } from "./mapping.js";

/**
 * A mapping as a window of a region: nothing stands between the caller and the native functions.
 * @param offset in the region, in bytes.
 */
export function mappedWindow(offset: number, mapping: Mapping): RegionWindow {
  // A literal, whose properties V8 treats as constants; a getter would make it a slow dictionary.
  return {
    offset,
    bytes: mapping.bytes,
    handle: mapping.handle,
    registers: mapping.registers,
    bulk: new BulkRegisters(mapping),
    isGone: () => mapping.gone,
    part: (start, bytes) => ({
      registers: mapping.registersOf(start, bytes),
      bulk: new BulkRegisters(mapping, { offset: start, bytes }),
    }),
    close: () => mapping.close(),
  };
}

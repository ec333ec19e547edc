import { listCapabilities } from "../config/capability-list.js";
import type { ConfigReader } from "../config/config-reader.js";

/**
 * The bits that reset a function: bit 15 of PCI Express's Device Control (PCI Express Base 3.0, section 7.8.4), as its
 * upper byte has it too, and bit 0 of the advanced features' control.
 */
const RESET_BITS = [
  { id: 0x10, register: 8, bit: 1 << 15 },
  { id: 0x10, register: 9, bit: 1 << 7 },
  { id: 0x13, register: 4, bit: 1 },
];

/** True if a write to the config space, an aligned one, resets the function (FLR). */
export function resetsFunction(config: ConfigReader, offset: number, value: number): boolean {
  return listCapabilities(config).some((capability) =>
    RESET_BITS.some(
      ({ id, register, bit }) =>
        capability.id === id && capability.offset + register === offset && (value & bit) !== 0,
    ),
  );
}

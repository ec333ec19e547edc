import { bitsOf, hex, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** A table in a BAR. */
export interface BarPlace {
  /** The BAR: 0 to 5; 6 and 7 are reserved. */
  readonly bar: number;
  /** Where it begins in that BAR, in bytes. */
  readonly offset: number;
}

/** MSI-X (PCI Local Bus 3.0, section 6.8.2). */
export interface Msix {
  /** The device sends MSI-X messages. */
  readonly enabled: boolean;
  /** All vectors are masked, whatever their own mask bits say. */
  readonly masked: boolean;
  /** How many entries the table has, 1 to 2048. */
  readonly vectors: number;
  /** The vector table: 16 bytes for each vector. */
  readonly table: BarPlace;
  /** The pending bit array: one bit for each vector. */
  readonly pendingBits: BarPlace;
}

/** Reads the 12 bytes of MSI-X. */
export function decodeMsix(view: CapabilityView): Msix {
  const control = view.read16(2);
  return {
    enabled: isSet(control, 15),
    masked: isSet(control, 14),
    vectors: bitsOf(control, 0, 11) + 1,
    table: placeOf(view.read32(4)),
    pendingBits: placeOf(view.read32(8)),
  };
}

function placeOf(register: number): BarPlace {
  return { bar: bitsOf(register, 0, 3), offset: register - bitsOf(register, 0, 3) };
}

export function describeMsix({ enabled, masked, vectors, table, pendingBits }: Msix): string[] {
  return [
    `MSI-X: Enable${plusMinus(enabled)} Count=${vectors} Masked${plusMinus(masked)}`,
    `\t\tVector table: BAR=${table.bar} offset=${hex(table.offset, 8)}`,
    `\t\tPBA: BAR=${pendingBits.bar} offset=${hex(pendingBits.offset, 8)}`,
  ];
}

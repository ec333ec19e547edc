import { bitsOf, hex, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** A place in a BAR. */
export interface BarPlace {
  /** 0 to 5; 6 and 7 are reserved. */
  readonly bar: number;
  /** In bytes. */
  readonly offset: number;
}

/** MSI-X (PCI Local Bus 3.0, section 6.8.2). @useDeclaredType */
export type Msix = ReturnType<typeof decodeMsix>;

export function decodeMsix(view: CapabilityView) {
  const control = view.read16(2);
  return {
    enabled: isSet(control, 15),
    /** All vectors are masked, whatever their own mask bits. */
    masked: isSet(control, 14),
    /** The number of entries in the table, 1 to 2048. */
    vectors: bitsOf(control, 0, 11) + 1,
    /** The vector table: 16 bytes for each vector. */
    table: placeOf(view.read32(4)),
    /** The pending bit array: one bit for each vector. */
    pendingBits: placeOf(view.read32(8)),
  } as const;
}

export function placeOf(register: number): BarPlace {
  return { bar: bitsOf(register, 0, 3), offset: register - bitsOf(register, 0, 3) };
}

export function describeMsix({ enabled, masked, vectors, table, pendingBits }: Msix): string[] {
  return [
    `MSI-X: Enable${plusMinus(enabled)} Count=${vectors} Masked${plusMinus(masked)}`,
    `\t\tVector table: BAR=${table.bar} offset=${hex(table.offset, 8)}`,
    `\t\tPBA: BAR=${pendingBits.bar} offset=${hex(pendingBits.offset, 8)}`,
  ];
}

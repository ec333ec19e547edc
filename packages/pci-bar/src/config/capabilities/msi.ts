import { bitsOf, hex, isSet, plusMinus, wide } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** MSI (PCI Local Bus 3.0, section 6.8.1). */
export interface Msi {
  /** The device sends MSI messages. */
  readonly enabled: boolean;
  /** How many vectors it could use: 1 to 32; above that the value is reserved. */
  readonly vectors: number;
  /** How many it may use now. */
  readonly vectorsEnabled: number;
  /** Each vector can be masked. */
  readonly maskable: boolean;
  /** The message address has 64 bits. */
  readonly wide: boolean;
  /** Where messages are written to. */
  readonly address: bigint;
  /** What is written, 16 bits; the lowest bits are the vector's number. */
  readonly data: number;
  /** One bit for each vector that is masked, or `undefined` if none can be. */
  readonly mask: number | undefined;
  /** One bit for each masked vector that has something to say. */
  readonly pending: number | undefined;
}

/** Reads MSI: 10, 14, 20 or 24 bytes. */
export function decodeMsi(view: CapabilityView): Msi {
  const control = view.read16(2);
  const is64 = isSet(control, 7);
  const maskable = isSet(control, 8);
  const afterAddress = is64 ? 12 : 8;
  return {
    enabled: isSet(control, 0),
    vectors: 2 ** bitsOf(control, 1, 3),
    vectorsEnabled: 2 ** bitsOf(control, 4, 3),
    maskable,
    wide: is64,
    address: wide(is64 ? view.read32(8) : 0, view.read32(4)),
    data: view.read16(afterAddress),
    mask: maskable ? view.read32(afterAddress + 4) : undefined,
    pending: maskable ? view.read32(afterAddress + 8) : undefined,
  };
}

export function describeMsi(msi: Msi): string[] {
  const { mask, pending } = msi;
  return [
    `MSI: Enable${plusMinus(msi.enabled)} Count=${msi.vectorsEnabled}/${msi.vectors} ` +
      `Maskable${plusMinus(msi.maskable)} 64bit${plusMinus(msi.wide)}`,
    `\t\tAddress: ${hex(msi.address, msi.wide ? 16 : 8)}  Data: ${hex(msi.data, 4)}`,
    ...(mask === undefined || pending === undefined
      ? []
      : [`\t\tMasking: ${hex(mask, 8)}  Pending: ${hex(pending, 8)}`]),
  ];
}

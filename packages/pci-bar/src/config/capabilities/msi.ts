import { bitsOf, hex, isSet, plusMinus, wide } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** MSI (PCI Local Bus 3.0, section 6.8.1). @useDeclaredType */
export type Msi = ReturnType<typeof decodeMsi>;

export function decodeMsi(view: CapabilityView) {
  const control = view.read16(2);
  const is64 = isSet(control, 7);
  const maskable = isSet(control, 8);
  const afterAddress = is64 ? 12 : 8;
  return {
    enabled: isSet(control, 0),
    /** The number of vectors it can use: 1 to 32; larger values are reserved. */
    vectors: 2 ** bitsOf(control, 1, 3),
    vectorsEnabled: 2 ** bitsOf(control, 4, 3),
    maskable,
    wide: is64,
    /** Where messages are written. */
    address: wide(is64 ? view.read32(8) : 0, view.read32(4)),
    /** The 16 bits written; the lowest bits are the vector's number. */
    data: view.read16(afterAddress),
    /** One bit for each masked vector; `undefined` if none can be masked. */
    mask: maskable ? view.read32(afterAddress + 4) : undefined,
    /** One bit for each masked vector with a pending message. */
    pending: maskable ? view.read32(afterAddress + 8) : undefined,
  } as const;
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

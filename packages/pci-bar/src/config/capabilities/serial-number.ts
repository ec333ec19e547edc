import { hex, wide } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** The device serial number (PCI Express Base 3.0, section 7.12). @useDeclaredType */
export type SerialNumber = ReturnType<typeof decodeSerialNumber>;

export function decodeSerialNumber(view: CapabilityView) {
  return {
    /** 64 bits (EUI-64): the same for all functions of a device. */
    serialNumber: wide(view.read32(8), view.read32(4)),
  } as const;
}

export function describeSerialNumber({ serialNumber }: SerialNumber): string[] {
  return [`Device Serial Number ${hex(serialNumber, 16).match(/../g)?.join("-")}`];
}

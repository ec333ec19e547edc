import { hex, wide } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** The device serial number (PCI Express Base 3.0, section 7.12). */
export interface SerialNumber {
  /** 64 bits (EUI-64): the same for all functions of a device. */
  readonly serialNumber: bigint;
}

export function decodeSerialNumber(view: CapabilityView): SerialNumber {
  return { serialNumber: wide(view.read32(8), view.read32(4)) };
}

export function describeSerialNumber({ serialNumber }: SerialNumber): string[] {
  return [`Device Serial Number ${hex(serialNumber, 16).match(/../g)?.join("-")}`];
}

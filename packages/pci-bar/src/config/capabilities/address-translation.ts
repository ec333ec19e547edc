import { bitsOf, hex, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Address translation services (Address Translation Services 1.1, section 5.1). */
export interface AddressTranslation {
  /** How many invalidate requests it can take. 0 means 32. */
  readonly invalidateQueueDepth: number;
  /** The device may keep translations. */
  readonly enabled: boolean;
  /** The smallest translation is 4096 × 2^this bytes. */
  readonly smallestTranslationUnit: number;
}

/** Reads the 8 bytes of ATS. */
export function decodeAddressTranslation(view: CapabilityView): AddressTranslation {
  const control = view.read16(6);
  return {
    invalidateQueueDepth: bitsOf(view.read16(4), 0, 5),
    enabled: isSet(control, 15),
    smallestTranslationUnit: bitsOf(control, 0, 5),
  };
}

export function describeAddressTranslation(ats: AddressTranslation): string[] {
  return [
    "Address Translation Service (ATS)",
    `\t\tATSCap:\tInvalidate Queue Depth: ${hex(ats.invalidateQueueDepth, 2)}`,
    `\t\tATSCtl:\tEnable${plusMinus(ats.enabled)}, Smallest Translation Unit: ${hex(ats.smallestTranslationUnit, 2)}`,
  ];
}

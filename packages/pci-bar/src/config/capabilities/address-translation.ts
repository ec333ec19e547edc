import { bitsOf, hex, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Address translation services (Address Translation Services 1.1, section 5.1). @useDeclaredType */
export type AddressTranslation = ReturnType<typeof decodeAddressTranslation>;

export function decodeAddressTranslation(view: CapabilityView) {
  const control = view.read16(6);
  return {
    /** The number of invalidate requests it can queue. 0 means 32. */
    invalidateQueueDepth: bitsOf(view.read16(4), 0, 5),
    enabled: isSet(control, 15),
    /** The smallest translation is 4096 × 2^this bytes. */
    smallestTranslationUnit: bitsOf(control, 0, 5),
  } as const;
}

export function describeAddressTranslation(ats: AddressTranslation): string[] {
  return [
    "Address Translation Service (ATS)",
    `\t\tATSCap:\tInvalidate Queue Depth: ${hex(ats.invalidateQueueDepth, 2)}`,
    `\t\tATSCtl:\tEnable${plusMinus(ats.enabled)}, Smallest Translation Unit: ${hex(ats.smallestTranslationUnit, 2)}`,
  ];
}

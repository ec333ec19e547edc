import { bitsOf, hex } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** A vendor's own standard capability, id 0x09 (PCI Local Bus 3.0, appendix H). @useDeclaredType */
export type VendorSpecific = ReturnType<typeof decodeVendorSpecific>;

export function decodeVendorSpecific(view: CapabilityView) {
  const length = view.read8(2);
  return {
    /** As the capability states it, with three bytes of header. */
    length,
    /** With the header; fewer than `length` if the area ends before. */
    bytes: view.raw(length),
  } as const;
}

export function describeVendorSpecific({ length }: VendorSpecific): string[] {
  return [`Vendor Specific Information: Len=${hex(length, 2)} <?>`];
}

/** A vendor's own extended capability, id 0x000b (PCI Express Base 3.0, section 7.19). @useDeclaredType */
export type VendorSpecificExtended = ReturnType<typeof decodeVendorSpecificExtended>;

export function decodeVendorSpecificExtended(view: CapabilityView) {
  const header = view.read32(4);
  const length = bitsOf(header, 20, 12);
  return {
    /** The number of the vendor's capability. */
    vsecId: header & 0xffff,
    /** 0 to 15. */
    revision: bitsOf(header, 16, 4),
    /** As the capability states it, with eight bytes of header. */
    length,
    /** With the header; fewer than `length` if the area ends before. */
    bytes: view.raw(length),
  } as const;
}

export function describeVendorSpecificExtended({
  vsecId,
  revision,
  length,
}: VendorSpecificExtended): string[] {
  return [`Vendor Specific Information: ID=${hex(vsecId, 4)} Rev=${revision} Len=${hex(length, 3)} <?>`];
}

/** A capability that names its vendor, id 0x0023 (PCI Express Base 5.0, section 7.9.6). */
export interface DesignatedVendorSpecific extends VendorSpecificExtended {
  readonly vendorId: number;
}

export function decodeDesignatedVendorSpecific(view: CapabilityView): DesignatedVendorSpecific {
  const header = view.read32(4);
  const length = bitsOf(header, 20, 12);
  const [vendorId, revision] = [header & 0xffff, bitsOf(header, 16, 4)];
  return { vendorId, vsecId: view.read16(8), revision, length, bytes: view.raw(length) };
}

export function describeDesignatedVendorSpecific(each: DesignatedVendorSpecific): string[] {
  const { vendorId, vsecId, revision, length } = each;
  return [
    `Designated Vendor-Specific: Vendor=${hex(vendorId, 4)} ID=${hex(vsecId, 4)} Rev=${revision} Len=${length} <?>`,
  ];
}

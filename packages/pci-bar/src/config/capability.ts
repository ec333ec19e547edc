import { CapabilityOutOfArea, CapabilityView } from "./capability-view.js";
import type { CapabilityPlace } from "./capability-walk.js";
import type { ConfigReader } from "./config-reader.js";
import * as access from "./capabilities/access-control.js";
import * as translation from "./capabilities/address-translation.js";
import * as features from "./capabilities/advanced-features.js";
import * as errors from "./capabilities/error-reporting.js";
import * as l1 from "./capabilities/l1-substates.js";
import * as latency from "./capabilities/latency-tolerance.js";
import * as msi from "./capabilities/msi.js";
import * as msix from "./capabilities/msix.js";
import * as power from "./capabilities/power-management.js";
import * as routing from "./capabilities/routing-id.js";
import * as serial from "./capabilities/serial-number.js";
import * as sriov from "./capabilities/sr-iov.js";
import * as subsystem from "./capabilities/subsystem-ids.js";
import * as vendor from "./capabilities/vendor-specific.js";
import * as express from "./capabilities/pci-express/pci-express.js";
import { isRoot, type PortType } from "./capabilities/pci-express/port-type.js";

/** The decoded fields of each kind of capability. */
export interface CapabilityFields {
  /** Id 0x01. */
  readonly "power-management": power.PowerManagement;
  /** Id 0x05. */
  readonly msi: msi.Msi;
  /** Id 0x09. */
  readonly "vendor-specific": vendor.VendorSpecific;
  /** Of a bridge, id 0x0d. */
  readonly "subsystem-ids": subsystem.SubsystemIds;
  /** Id 0x10. */
  readonly "pci-express": express.PciExpress;
  /** Id 0x11. */
  readonly msix: msix.Msix;
  /** Id 0x13. */
  readonly "advanced-features": features.AdvancedFeatures;
  /** Extended id 0x0001. */
  readonly "error-reporting": errors.ErrorReporting;
  /** Extended id 0x0003. */
  readonly "serial-number": serial.SerialNumber;
  /** Extended id 0x000b. */
  readonly "vendor-specific-extended": vendor.VendorSpecificExtended;
  /** Extended id 0x000d. */
  readonly "access-control": access.AccessControl;
  /** Extended id 0x000e. */
  readonly "routing-id": routing.RoutingId;
  /** Extended id 0x000f. */
  readonly "address-translation": translation.AddressTranslation;
  /** Extended id 0x0010. */
  readonly "sr-iov": sriov.SrIov;
  /** Extended id 0x0018. */
  readonly "latency-tolerance": latency.LatencyTolerance;
  /** Extended id 0x001e. */
  readonly "l1-substates": l1.L1Substates;
  /** Extended id 0x0023. */
  readonly "designated-vendor-specific": vendor.DesignatedVendorSpecific;
  /** Any other, or one that could not be decoded. */
  readonly unknown: UnknownCapability;
}

/** The decoded kinds of capabilities, and `unknown`. */
export type CapabilityKind = keyof CapabilityFields;

/** A capability that is not decoded. */
export interface UnknownCapability {
  /** Why it could not be decoded; `undefined` if its id is not known here. */
  readonly problem: string | undefined;
  /** Up to the next capability, or to the end of its area. */
  readonly bytes: Uint8Array;
}

/** A decoded capability of one kind. */
export interface DecodedCapability<Kind extends CapabilityKind> extends CapabilityPlace {
  readonly kind: Kind;
  readonly fields: CapabilityFields[Kind];
}

/** A decoded capability of any kind; `kind` tells the type of `fields`. */
export type Capability = { [Kind in CapabilityKind]: DecodedCapability<Kind> }[CapabilityKind];

interface Decoder<Fields> {
  readonly decode: (view: CapabilityView, portType: PortType | undefined) => Fields;
  readonly describe: (fields: Fields, context: express.DescribeContext) => string[];
}

type DecodedKind = Exclude<CapabilityKind, "unknown">;

const DECODERS: { readonly [Kind in DecodedKind]: Decoder<CapabilityFields[Kind]> } = {
  "power-management": { decode: power.decodePowerManagement, describe: power.describePowerManagement },
  msi: { decode: msi.decodeMsi, describe: msi.describeMsi },
  "vendor-specific": { decode: vendor.decodeVendorSpecific, describe: vendor.describeVendorSpecific },
  "subsystem-ids": { decode: subsystem.decodeSubsystemIds, describe: subsystem.describeSubsystemIds },
  "pci-express": { decode: express.decodePciExpress, describe: express.describePciExpress },
  msix: { decode: msix.decodeMsix, describe: msix.describeMsix },
  "advanced-features": {
    decode: features.decodeAdvancedFeatures,
    describe: features.describeAdvancedFeatures,
  },
  "error-reporting": {
    decode: (view, type) => errors.decodeErrorReporting(view, type !== undefined && isRoot(type)),
    describe: errors.describeErrorReporting,
  },
  "serial-number": { decode: serial.decodeSerialNumber, describe: serial.describeSerialNumber },
  "vendor-specific-extended": {
    decode: vendor.decodeVendorSpecificExtended,
    describe: vendor.describeVendorSpecificExtended,
  },
  "access-control": { decode: access.decodeAccessControl, describe: access.describeAccessControl },
  "routing-id": { decode: routing.decodeRoutingId, describe: routing.describeRoutingId },
  "address-translation": {
    decode: translation.decodeAddressTranslation,
    describe: translation.describeAddressTranslation,
  },
  "sr-iov": { decode: sriov.decodeSrIov, describe: sriov.describeSrIov },
  "latency-tolerance": { decode: latency.decodeLatencyTolerance, describe: latency.describeLatencyTolerance },
  "l1-substates": { decode: l1.decodeL1Substates, describe: l1.describeL1Substates },
  "designated-vendor-specific": {
    decode: vendor.decodeDesignatedVendorSpecific,
    describe: vendor.describeDesignatedVendorSpecific,
  },
};

const STANDARD_KINDS: Readonly<Record<number, DecodedKind>> = {
  0x01: "power-management",
  0x05: "msi",
  0x09: "vendor-specific",
  0x0d: "subsystem-ids",
  0x10: "pci-express",
  0x11: "msix",
  0x13: "advanced-features",
};
const EXTENDED_KINDS: Readonly<Record<number, DecodedKind>> = {
  0x01: "error-reporting",
  0x03: "serial-number",
  0x0b: "vendor-specific-extended",
  0x0d: "access-control",
  0x0e: "routing-id",
  0x0f: "address-translation",
  0x10: "sr-iov",
  0x18: "latency-tolerance",
  0x1e: "l1-substates",
  0x23: "designated-vendor-specific",
};

export interface CapabilityRoom {
  /** Of its area: 256, 4096, or the end of what can be read. */
  readonly end: number;
  /** The next capability's offset, or the area's end. */
  readonly next: number;
}

/**
 * Decodes one capability. One that leaves its area is `unknown`, with its bytes.
 * @param portType the function's type in PCI Express: root ports have more registers.
 */
export function decodeCapability(
  config: ConfigReader,
  place: CapabilityPlace,
  { end, next }: CapabilityRoom,
  portType: PortType | undefined,
): Capability {
  const view = new CapabilityView(config, place.offset, end);
  const unknown = (problem?: string): Capability => ({
    ...place,
    kind: "unknown",
    fields: { problem, bytes: view.raw(next - place.offset) },
  });
  const kind = (place.extended ? EXTENDED_KINDS : STANDARD_KINDS)[place.id];
  if (kind === undefined) return unknown();
  try {
    return { ...place, kind, fields: DECODERS[kind].decode(view, portType) } as Capability;
  } catch (error) {
    if (error instanceof CapabilityOutOfArea)
      return unknown(`its registers reach beyond 0x${end.toString(16)}`);
    throw error;
  }
}

/** lspci's lines about a decoded capability; the first is its title. */
export function describeDecoded<Kind extends DecodedKind>(
  kind: Kind,
  fields: CapabilityFields[Kind],
  context: express.DescribeContext,
): string[] {
  const decoder: Decoder<CapabilityFields[Kind]> = DECODERS[kind];
  return decoder.describe(fields, context);
}

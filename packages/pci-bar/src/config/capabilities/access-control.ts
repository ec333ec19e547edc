import { bitsOf, decodeFlags, flagText, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** What access control services there are. */
export type AccessControlFlag =
  | "sourceValidation"
  | "translationBlocking"
  | "requestRedirect"
  | "completionRedirect"
  | "upstreamForwarding"
  | "egressControl"
  | "directTranslated";

/** Access control services, which decide what an IOMMU group is (PCI Express Base 3.0, section 7.16). */
export interface AccessControl {
  /** What the function can do. */
  readonly support: BitFlags<AccessControlFlag>;
  /** What is switched on. */
  readonly control: BitFlags<AccessControlFlag>;
  /** How many bits the egress control vector has. 0 means 256. */
  readonly egressVectorBits: number;
}

const FLAGS: FlagTable<AccessControlFlag> = {
  sourceValidation: [0, "SrcValid"],
  translationBlocking: [1, "TransBlk"],
  requestRedirect: [2, "ReqRedir"],
  completionRedirect: [3, "CmpltRedir"],
  upstreamForwarding: [4, "UpstreamFwd"],
  egressControl: [5, "EgressCtrl"],
  directTranslated: [6, "DirectTrans"],
};

/** Reads the 8 bytes of access control services. */
export function decodeAccessControl(view: CapabilityView): AccessControl {
  const capabilities = view.read16(4);
  return {
    support: decodeFlags(FLAGS, capabilities),
    control: decodeFlags(FLAGS, view.read16(6)),
    egressVectorBits: bitsOf(capabilities, 8, 8),
  };
}

export function describeAccessControl({ support, control }: AccessControl): string[] {
  return [
    "Access Control Services",
    `\t\tACSCap:\t${flagText(FLAGS, support)}`,
    `\t\tACSCtl:\t${flagText(FLAGS, control)}`,
  ];
}

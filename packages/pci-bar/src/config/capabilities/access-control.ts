import { bitsOf, decodeFlags, flagTable, flagText } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const FLAGS = flagTable({
  sourceValidation: [0, "SrcValid"],
  translationBlocking: [1, "TransBlk"],
  requestRedirect: [2, "ReqRedir"],
  completionRedirect: [3, "CmpltRedir"],
  upstreamForwarding: [4, "UpstreamFwd"],
  egressControl: [5, "EgressCtrl"],
  directTranslated: [6, "DirectTrans"],
});
/** The access control services. @useDeclaredType */
export type AccessControlFlag = keyof typeof FLAGS;

/** Access control services, which decide what an IOMMU group is (PCI Express Base 3.0, section 7.16). @useDeclaredType */
export type AccessControl = ReturnType<typeof decodeAccessControl>;

export function decodeAccessControl(view: CapabilityView) {
  const capabilities = view.read16(4);
  return {
    support: decodeFlags(FLAGS, capabilities),
    control: decodeFlags(FLAGS, view.read16(6)),
    /** 0 means 256. */
    egressVectorBits: bitsOf(capabilities, 8, 8),
  } as const;
}

export function describeAccessControl({ support, control }: AccessControl): string[] {
  return [
    "Access Control Services",
    `\t\tACSCap:\t${flagText(FLAGS, support)}`,
    `\t\tACSCtl:\t${flagText(FLAGS, control)}`,
  ];
}

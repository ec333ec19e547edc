import { bitsOf, decodeFlags, flagTable, flagText, hex, isSet, plusMinus } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";

const CONTROL = flagTable({
  correctableErrors: [0, "ErrCorrectable"],
  nonFatalErrors: [1, "ErrNon-Fatal"],
  fatalErrors: [2, "ErrFatal"],
  pmeInterrupt: [3, "PMEIntEna"],
  retryStatusVisible: [4, "CRSVisible"],
});
/** A root port's switches (Root Control). @useDeclaredType */
export type RootControl = keyof typeof CONTROL;

/** The registers of a root port or an event collector (PCI Express Base 3.0, sections 7.8.12 to 7.8.14). @useDeclaredType */
export type ExpressRoot = ReturnType<typeof decodeExpressRoot>;

export function decodeExpressRoot(view: CapabilityView) {
  const status = view.read32(0x20);
  return {
    /** It can show software that a device wants a configuration access retried. */
    retryStatusCapable: isSet(view.read16(0x1e), 0),
    control: decodeFlags(CONTROL, view.read16(0x1c)),
    pmeRequester: bitsOf(status, 0, 16),
    /** A PME# was signalled. Writing 1 clears the bit. */
    pmeStatus: isSet(status, 16),
    pmePending: isSet(status, 17),
  } as const;
}

export function describeExpressRoot(root: ExpressRoot): string[] {
  const status = `PMEStatus${plusMinus(root.pmeStatus)} PMEPending${plusMinus(root.pmePending)}`;
  return [
    `\t\tRootCap: CRSVisible${plusMinus(root.retryStatusCapable)}`,
    `\t\tRootCtl: ${flagText(CONTROL, root.control)}`,
    `\t\tRootSta: PME ReqID ${hex(root.pmeRequester, 4)}, ${status}`,
  ];
}

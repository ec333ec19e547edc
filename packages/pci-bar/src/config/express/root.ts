import {
  bitsOf,
  decodeFlags,
  flagText,
  hex,
  isSet,
  plusMinus,
  type BitFlags,
  type FlagTable,
} from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** What is switched on in a root port (Root Control). */
export type RootControl =
  "correctableErrors" | "nonFatalErrors" | "fatalErrors" | "pmeInterrupt" | "retryStatusVisible";

/** The registers of a root port or an event collector (PCI Express Base 3.0, sections 7.8.12 to 7.8.14). */
export interface ExpressRoot {
  /** It can show software that a device asked for a retry of a configuration access. */
  readonly retryStatusCapable: boolean;
  /** What is switched on. */
  readonly control: BitFlags<RootControl>;
  /** The function that signalled PME#. */
  readonly pmeRequester: number;
  /** A PME# was signalled. Writing 1 clears it. */
  readonly pmeStatus: boolean;
  /** Another one waits behind it. */
  readonly pmePending: boolean;
}

const CONTROL: FlagTable<RootControl> = {
  correctableErrors: [0, "ErrCorrectable"],
  nonFatalErrors: [1, "ErrNon-Fatal"],
  fatalErrors: [2, "ErrFatal"],
  pmeInterrupt: [3, "PMEIntEna"],
  retryStatusVisible: [4, "CRSVisible"],
};

/** Reads the root registers. */
export function decodeExpressRoot(view: CapabilityView): ExpressRoot {
  const status = view.read32(0x20);
  return {
    retryStatusCapable: isSet(view.read16(0x1e), 0),
    control: decodeFlags(CONTROL, view.read16(0x1c)),
    pmeRequester: bitsOf(status, 0, 16),
    pmeStatus: isSet(status, 16),
    pmePending: isSet(status, 17),
  };
}

export function describeExpressRoot(root: ExpressRoot): string[] {
  const status = `PMEStatus${plusMinus(root.pmeStatus)} PMEPending${plusMinus(root.pmePending)}`;
  return [
    `\t\tRootCap: CRSVisible${plusMinus(root.retryStatusCapable)}`,
    `\t\tRootCtl: ${flagText(CONTROL, root.control)}`,
    `\t\tRootSta: PME ReqID ${hex(root.pmeRequester, 4)}, ${status}`,
  ];
}

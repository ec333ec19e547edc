import { bitsOf, decodeFlags, flagText, hex, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Errors that are not corrected (PCI Express Base 3.0, section 7.10.2). */
export type UncorrectableError =
  | "dataLinkProtocol"
  | "surpriseDown"
  | "poisonedTlp"
  | "flowControlProtocol"
  | "completionTimeout"
  | "completerAbort"
  | "unexpectedCompletion"
  | "receiverOverflow"
  | "malformedTlp"
  | "ecrc"
  | "unsupportedRequest"
  | "acsViolation";

/** Errors that the hardware corrects (PCI Express Base 3.0, section 7.10.5). */
export type CorrectableError =
  "receiver" | "badTlp" | "badDllp" | "replayRollover" | "replayTimeout" | "advisoryNonFatal";

/** What can be done about checksums of packets, and about several errors at once. */
export type ErrorReportingFlag =
  | "ecrcGenerationCapable"
  | "ecrcGeneration"
  | "ecrcCheckCapable"
  | "ecrcCheck"
  | "multipleHeadersCapable"
  | "multipleHeaders"
  | "prefixLogPresent"
  | "completionTimeoutLogCapable";

/** What a root port or an event collector says of the errors below it. */
export interface RootErrors {
  /** Which errors interrupt. */
  readonly interruptOn: BitFlags<"correctable" | "nonFatal" | "fatal">;
  /** What was received. Writing 1 to a bit clears it. */
  readonly received: BitFlags<
    | "correctable"
    | "multipleCorrectable"
    | "uncorrectable"
    | "multipleUncorrectable"
    | "firstFatal"
    | "nonFatal"
    | "fatal"
  >;
  /** The MSI or MSI-X vector of these interrupts. */
  readonly interruptMessage: number;
  /** The requester id that sent the first correctable error. */
  readonly correctableSource: number;
  /** The requester id that sent the first other error. */
  readonly uncorrectableSource: number;
}

/** Advanced error reporting (PCI Express Base 3.0, section 7.10). */
export interface ErrorReporting {
  /** Errors seen that were not corrected. */
  readonly uncorrectableStatus: BitFlags<UncorrectableError>;
  /** Those that are not reported. */
  readonly uncorrectableMask: BitFlags<UncorrectableError>;
  /** Those that are fatal when they come. */
  readonly uncorrectableSeverity: BitFlags<UncorrectableError>;
  /** Errors seen that were corrected. */
  readonly correctableStatus: BitFlags<CorrectableError>;
  /** Those that are not reported. */
  readonly correctableMask: BitFlags<CorrectableError>;
  /** The bit in the uncorrectable status that the header log is about. */
  readonly firstError: number;
  /** Checksums of packets, several headers, prefixes. */
  readonly control: BitFlags<ErrorReportingFlag>;
  /** The header of the packet with the first error: four 32-bit words. */
  readonly headerLog: readonly number[];
  /** `undefined` but for root ports and event collectors. */
  readonly root: RootErrors | undefined;
}

const UNCORRECTABLE: FlagTable<UncorrectableError> = {
  dataLinkProtocol: [4, "DLP"],
  surpriseDown: [5, "SDES"],
  poisonedTlp: [12, "TLP"],
  flowControlProtocol: [13, "FCP"],
  completionTimeout: [14, "CmpltTO"],
  completerAbort: [15, "CmpltAbrt"],
  unexpectedCompletion: [16, "UnxCmplt"],
  receiverOverflow: [17, "RxOF"],
  malformedTlp: [18, "MalfTLP"],
  ecrc: [19, "ECRC"],
  unsupportedRequest: [20, "UnsupReq"],
  acsViolation: [21, "ACSViol"],
};
const CORRECTABLE: FlagTable<CorrectableError> = {
  receiver: [0, "RxErr"],
  badTlp: [6, "BadTLP"],
  badDllp: [7, "BadDLLP"],
  replayRollover: [8, "Rollover"],
  replayTimeout: [12, "Timeout"],
  advisoryNonFatal: [13, "AdvNonFatalErr"],
};
const CONTROL: FlagTable<ErrorReportingFlag> = {
  ecrcGenerationCapable: [5, "ECRCGenCap"],
  ecrcGeneration: [6, "ECRCGenEn"],
  ecrcCheckCapable: [7, "ECRCChkCap"],
  ecrcCheck: [8, "ECRCChkEn"],
  multipleHeadersCapable: [9, "MultHdrRecCap"],
  multipleHeaders: [10, "MultHdrRecEn"],
  prefixLogPresent: [11, "TLPPfxPres"],
  completionTimeoutLogCapable: [12, "HdrLogCap"],
};
const ROOT_COMMAND: FlagTable<keyof RootErrors["interruptOn"]> = {
  correctable: [0, "CERptEn"],
  nonFatal: [1, "NFERptEn"],
  fatal: [2, "FERptEn"],
};
const ROOT_STATUS: FlagTable<keyof RootErrors["received"]> = {
  correctable: [0, "CERcvd"],
  multipleCorrectable: [1, "MultCERcvd"],
  uncorrectable: [2, "UERcvd"],
  multipleUncorrectable: [3, "MultUERcvd"],
  firstFatal: [4, "FirstFatal"],
  nonFatal: [5, "NonFatalMsg"],
  fatal: [6, "FatalMsg"],
};

/**
 * Reads 44 bytes of error reporting, 56 of a root port's.
 * @param isRoot the function is a root port or an event collector.
 */
export function decodeErrorReporting(view: CapabilityView, isRoot: boolean): ErrorReporting {
  const control = view.read32(0x18);
  return {
    uncorrectableStatus: decodeFlags(UNCORRECTABLE, view.read32(0x04)),
    uncorrectableMask: decodeFlags(UNCORRECTABLE, view.read32(0x08)),
    uncorrectableSeverity: decodeFlags(UNCORRECTABLE, view.read32(0x0c)),
    correctableStatus: decodeFlags(CORRECTABLE, view.read32(0x10)),
    correctableMask: decodeFlags(CORRECTABLE, view.read32(0x14)),
    firstError: bitsOf(control, 0, 5),
    control: decodeFlags(CONTROL, control),
    headerLog: [0x1c, 0x20, 0x24, 0x28].map((at) => view.read32(at)),
    root: isRoot ? decodeRootErrors(view) : undefined,
  };
}

function decodeRootErrors(view: CapabilityView): RootErrors {
  const status = view.read32(0x30);
  return {
    interruptOn: decodeFlags(ROOT_COMMAND, view.read32(0x2c)),
    received: decodeFlags(ROOT_STATUS, status),
    interruptMessage: bitsOf(status, 27, 5),
    correctableSource: view.read16(0x34),
    uncorrectableSource: view.read16(0x36),
  };
}

export function describeErrorReporting(aer: ErrorReporting): string[] {
  const headerLog = aer.headerLog.map((word) => hex(word, 8)).join(" ");
  const ecrc = flagText(CONTROL, aer.control).split(" ");
  return [
    "Advanced Error Reporting",
    `\t\tUESta:\t${flagText(UNCORRECTABLE, aer.uncorrectableStatus)}`,
    `\t\tUEMsk:\t${flagText(UNCORRECTABLE, aer.uncorrectableMask)}`,
    `\t\tUESvrt:\t${flagText(UNCORRECTABLE, aer.uncorrectableSeverity)}`,
    `\t\tCESta:\t${flagText(CORRECTABLE, aer.correctableStatus)}`,
    `\t\tCEMsk:\t${flagText(CORRECTABLE, aer.correctableMask)}`,
    `\t\tAERCap:\tFirst Error Pointer: ${hex(aer.firstError, 2)}, ${ecrc.slice(0, 4).join(" ")}`,
    `\t\t\t${ecrc.slice(4).join(" ")}`,
    `\t\tHeaderLog: ${headerLog}`,
    ...(aer.root === undefined ? [] : describeRootErrors(aer.root)),
  ];
}

function describeRootErrors(root: RootErrors): string[] {
  const received = flagText(ROOT_STATUS, root.received).split(" ");
  return [
    `\t\tRootCmd: ${flagText(ROOT_COMMAND, root.interruptOn)}`,
    `\t\tRootSta: ${received.slice(0, 4).join(" ")}`,
    `\t\t\t ${received.slice(4).join(" ")} IntMsg ${root.interruptMessage}`,
    `\t\tErrorSrc: ERR_COR: ${hex(root.correctableSource, 4)} ERR_FATAL/NONFATAL: ${hex(root.uncorrectableSource, 4)}`,
  ];
}

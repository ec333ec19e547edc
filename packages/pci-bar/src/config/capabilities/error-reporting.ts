import { bitsOf, decodeFlags, flagTable, flagText, hex } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const UNCORRECTABLE = flagTable({
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
});
/** Errors that the hardware does not correct (PCI Express Base 3.0, section 7.10.2). @useDeclaredType */
export type UncorrectableError = keyof typeof UNCORRECTABLE;

const CORRECTABLE = flagTable({
  receiver: [0, "RxErr"],
  badTlp: [6, "BadTLP"],
  badDllp: [7, "BadDLLP"],
  replayRollover: [8, "Rollover"],
  replayTimeout: [12, "Timeout"],
  advisoryNonFatal: [13, "AdvNonFatalErr"],
});
/** Errors that the hardware corrects (PCI Express Base 3.0, section 7.10.5). @useDeclaredType */
export type CorrectableError = keyof typeof CORRECTABLE;

const CONTROL = flagTable({
  ecrcGenerationCapable: [5, "ECRCGenCap"],
  ecrcGeneration: [6, "ECRCGenEn"],
  ecrcCheckCapable: [7, "ECRCChkCap"],
  ecrcCheck: [8, "ECRCChkEn"],
  multipleHeadersCapable: [9, "MultHdrRecCap"],
  multipleHeaders: [10, "MultHdrRecEn"],
  prefixLogPresent: [11, "TLPPfxPres"],
  completionTimeoutLogCapable: [12, "HdrLogCap"],
});
/** Support and control of packet checksums and of several errors at once. @useDeclaredType */
export type ErrorReportingFlag = keyof typeof CONTROL;

const ROOT_COMMAND = flagTable({
  correctable: [0, "CERptEn"],
  nonFatal: [1, "NFERptEn"],
  fatal: [2, "FERptEn"],
});
const ROOT_STATUS = flagTable({
  correctable: [0, "CERcvd"],
  multipleCorrectable: [1, "MultCERcvd"],
  uncorrectable: [2, "UERcvd"],
  multipleUncorrectable: [3, "MultUERcvd"],
  firstFatal: [4, "FirstFatal"],
  nonFatal: [5, "NonFatalMsg"],
  fatal: [6, "FatalMsg"],
});

/** Advanced error reporting (PCI Express Base 3.0, section 7.10). @useDeclaredType */
export type ErrorReporting = ReturnType<typeof decodeErrorReporting>;

/**
 * Reads 44 bytes, 56 of a root port.
 * @param isRoot the function is a root port or an event collector.
 */
export function decodeErrorReporting(view: CapabilityView, isRoot: boolean) {
  const control = view.read32(0x18);
  const headerLog: readonly number[] = [0x1c, 0x20, 0x24, 0x28].map((at) => view.read32(at));
  return {
    uncorrectableStatus: decodeFlags(UNCORRECTABLE, view.read32(0x04)),
    uncorrectableMask: decodeFlags(UNCORRECTABLE, view.read32(0x08)),
    uncorrectableSeverity: decodeFlags(UNCORRECTABLE, view.read32(0x0c)),
    correctableStatus: decodeFlags(CORRECTABLE, view.read32(0x10)),
    correctableMask: decodeFlags(CORRECTABLE, view.read32(0x14)),
    /** The bit of the uncorrectable status that the header log belongs to. */
    firstError: bitsOf(control, 0, 5),
    control: decodeFlags(CONTROL, control),
    /** The header of the packet with the first error: four 32-bit words. */
    headerLog,
    /** Only of root ports and event collectors. */
    root: isRoot ? decodeRootErrors(view) : undefined,
  } as const;
}

/** The errors below a root port or an event collector. @useDeclaredType */
export type RootErrors = ReturnType<typeof decodeRootErrors>;

function decodeRootErrors(view: CapabilityView) {
  const status = view.read32(0x30);
  return {
    interruptOn: decodeFlags(ROOT_COMMAND, view.read32(0x2c)),
    /** Writing 1 to a bit clears it. */
    received: decodeFlags(ROOT_STATUS, status),
    interruptMessage: bitsOf(status, 27, 5),
    correctableSource: view.read16(0x34),
    uncorrectableSource: view.read16(0x36),
  } as const;
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

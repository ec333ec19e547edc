import { bitsOf, decodeFlags, flagText, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";
import { isOneOf, type PortType } from "./port-type.js";
import { latencyText, powerText, slotPower } from "./words.js";

/** What a PCI Express function can do (Device Capabilities). */
export type ExpressSupport =
  | "extendedTag"
  | "attentionButton"
  | "attentionIndicator"
  | "powerIndicator"
  | "roleBasedErrors"
  | "functionReset";

/** What is switched on (Device Control). The last bit is `bridgeRetry` of a bridge, and resets any other function. */
export type ExpressControl =
  | "correctableErrors"
  | "nonFatalErrors"
  | "fatalErrors"
  | "unsupportedRequests"
  | "relaxedOrdering"
  | "extendedTag"
  | "phantomFunctions"
  | "auxPower"
  | "noSnoop"
  | "bridgeRetryOrReset";

/** What happened (Device Status). The first four are cleared by writing 1. */
export type ExpressStatus =
  | "correctableError"
  | "nonFatalError"
  | "fatalError"
  | "unsupportedRequest"
  | "auxPower"
  | "transactionsPending";

/** The device registers of PCI Express (PCI Express Base 3.0, sections 7.8.3 to 7.8.5). */
export interface ExpressDevice {
  /** What it can do. */
  readonly support: BitFlags<ExpressSupport>;
  /** The largest payload it can take, in bytes. */
  readonly maxPayloadSupported: number;
  /** How many unclaimed function numbers it may use: 0, 1, 3 or 7. */
  readonly phantomFunctions: number;
  /** How long it can wait for the link to leave L0s and L1, as the register's codes 0 to 7. */
  readonly acceptableLatency: {
    /** 0 is below 64 ns, each code doubles it, 7 is no limit. */
    readonly l0s: number;
    /** 0 is below 1 µs, each code doubles it, 7 is no limit. */
    readonly l1: number;
  };
  /** What the slot gives it, in watts. Infinity: more than 600 W. */
  readonly slotPowerLimit: number;
  /** What is switched on. */
  readonly control: BitFlags<ExpressControl>;
  /** The largest payload it may send, in bytes. */
  readonly maxPayload: number;
  /** The largest read it may ask for, in bytes. */
  readonly maxReadRequest: number;
  /** What happened. */
  readonly status: BitFlags<ExpressStatus>;
}

const SUPPORT: FlagTable<ExpressSupport> = {
  extendedTag: [5, "ExtTag"],
  attentionButton: [12, "AttnBtn"],
  attentionIndicator: [13, "AttnInd"],
  powerIndicator: [14, "PwrInd"],
  roleBasedErrors: [15, "RBE"],
  functionReset: [28, "FLReset"],
};
const CONTROL: FlagTable<ExpressControl> = {
  correctableErrors: [0, "CorrErr"],
  nonFatalErrors: [1, "NonFatalErr"],
  fatalErrors: [2, "FatalErr"],
  unsupportedRequests: [3, "UnsupReq"],
  relaxedOrdering: [4, "RlxdOrd"],
  extendedTag: [8, "ExtTag"],
  phantomFunctions: [9, "PhantFunc"],
  auxPower: [10, "AuxPwr"],
  noSnoop: [11, "NoSnoop"],
  bridgeRetryOrReset: [15, "FLReset"],
};
const STATUS: FlagTable<ExpressStatus> = {
  correctableError: [0, "CorrErr"],
  nonFatalError: [1, "NonFatalErr"],
  fatalError: [2, "FatalErr"],
  unsupportedRequest: [3, "UnsupReq"],
  auxPower: [4, "AuxPwr"],
  transactionsPending: [5, "TransPend"],
};

/** Reads the device registers. */
export function decodeExpressDevice(view: CapabilityView): ExpressDevice {
  const capabilities = view.read32(0x04);
  const control = view.read16(0x08);
  return {
    support: decodeFlags(SUPPORT, capabilities),
    maxPayloadSupported: payload(bitsOf(capabilities, 0, 3)),
    phantomFunctions: 2 ** bitsOf(capabilities, 3, 2) - 1,
    acceptableLatency: { l0s: bitsOf(capabilities, 6, 3), l1: bitsOf(capabilities, 9, 3) },
    slotPowerLimit: slotPower(bitsOf(capabilities, 18, 8), bitsOf(capabilities, 26, 2)),
    control: decodeFlags(CONTROL, control),
    maxPayload: payload(bitsOf(control, 5, 3)),
    maxReadRequest: payload(bitsOf(control, 12, 3)),
    status: decodeFlags(STATUS, view.read16(0x0a)),
  };
}

function payload(code: number): number {
  return 128 * 2 ** code;
}

export function describeExpressDevice(device: ExpressDevice, type: PortType): string[] {
  const { l0s, l1 } = device.acceptableLatency;
  const isEndpoint = isOneOf(type, "endpoint", "legacy-endpoint");
  const latency = isEndpoint ? `, Latency L0s ${latencyText(l0s, "L0s")}, L1 ${latencyText(l1, "L1")}` : "";
  const errors = flagText(CONTROL, device.control).split(" ").slice(0, 4).join(" ");
  return [
    `\t\tDevCap:\tMaxPayload ${device.maxPayloadSupported} bytes, PhantFunc ${device.phantomFunctions}${latency}`,
    `\t\t\t${supportText(device, type)}`,
    `\t\tDevCtl:\t${errors}`,
    `\t\t\t${controlText(device, type)}`,
    `\t\t\tMaxPayload ${device.maxPayload} bytes, MaxReadReq ${device.maxReadRequest} bytes`,
    `\t\tDevSta:\t${flagText(STATUS, device.status)}`,
  ];
}

/** Which of these bits mean something depends on what the function is. */
function supportText({ support, slotPowerLimit }: ExpressDevice, type: PortType): string {
  const names: ExpressSupport[] = ["extendedTag"];
  const isCard = isOneOf(type, "endpoint", "upstream-port", "pcie-to-pci-bridge");
  if (isCard || type === "legacy-endpoint")
    names.push("attentionButton", "attentionIndicator", "powerIndicator");
  names.push("roleBasedErrors");
  if (canBeReset(type)) names.push("functionReset");
  return flagText(SUPPORT, support, names) + (isCard ? ` SlotPowerLimit ${powerText(slotPowerLimit)}` : "");
}

function controlText({ support, control }: ExpressDevice, type: PortType): string {
  const words = flagText(CONTROL, control).split(" ");
  const common = words.slice(4, 9).join(" ");
  const last = words.at(-1) ?? "";
  if (type === "pcie-to-pci-bridge") return `${common} ${last.replace("FLReset", "BrConfRtry")}`;
  return canBeReset(type) && support.functionReset ? `${common} ${last}` : common;
}

function canBeReset(type: PortType): boolean {
  return isOneOf(type, "endpoint", "legacy-endpoint", "integrated-endpoint");
}

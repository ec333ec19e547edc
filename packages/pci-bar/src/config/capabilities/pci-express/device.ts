import { bitsOf, decodeFlags, flagTable, flagText } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";
import { isOneOf, type PortType } from "./port-type.js";
import { latencyText, powerText, slotPower } from "./words.js";

const SUPPORT = flagTable({
  extendedTag: [5, "ExtTag"],
  attentionButton: [12, "AttnBtn"],
  attentionIndicator: [13, "AttnInd"],
  powerIndicator: [14, "PwrInd"],
  roleBasedErrors: [15, "RBE"],
  functionReset: [28, "FLReset"],
});
/** A PCI Express function's abilities (Device Capabilities). @useDeclaredType */
export type ExpressSupport = keyof typeof SUPPORT;

const CONTROL = flagTable({
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
});
/**
 * Switches (Device Control). The last bit is `bridgeRetry` in a bridge; in any other function it resets.
 * @useDeclaredType
 */
export type ExpressControl = keyof typeof CONTROL;

const STATUS = flagTable({
  correctableError: [0, "CorrErr"],
  nonFatalError: [1, "NonFatalErr"],
  fatalError: [2, "FatalErr"],
  unsupportedRequest: [3, "UnsupReq"],
  auxPower: [4, "AuxPwr"],
  transactionsPending: [5, "TransPend"],
});
/** Events (Device Status). Writing 1 clears the first four. @useDeclaredType */
export type ExpressStatus = keyof typeof STATUS;

/** The device registers of PCI Express (PCI Express Base 3.0, sections 7.8.3 to 7.8.5). @useDeclaredType */
export type ExpressDevice = ReturnType<typeof decodeExpressDevice>;

export function decodeExpressDevice(view: CapabilityView) {
  const capabilities = view.read32(0x04);
  const control = view.read16(0x08);
  return {
    support: decodeFlags(SUPPORT, capabilities),
    /** The largest payload it can take, in bytes. */
    maxPayloadSupported: payload(bitsOf(capabilities, 0, 3)),
    /** The number of unclaimed function numbers it may use: 0, 1, 3 or 7. */
    phantomFunctions: 2 ** bitsOf(capabilities, 3, 2) - 1,
    /** The longest wait for the link to leave L0s and L1, as the register's codes. */
    acceptableLatency: {
      /** 0 is below 64 ns, each code doubles it, 7 is no limit. */
      l0s: bitsOf(capabilities, 6, 3),
      /** 0 is below 1 µs, each code doubles it, 7 is no limit. */
      l1: bitsOf(capabilities, 9, 3),
    },
    /** From the slot, in watts. Infinity: more than 600 W. */
    slotPowerLimit: slotPower(bitsOf(capabilities, 18, 8), bitsOf(capabilities, 26, 2)),
    control: decodeFlags(CONTROL, control),
    maxPayload: payload(bitsOf(control, 5, 3)),
    /** In bytes. */
    maxReadRequest: payload(bitsOf(control, 12, 3)),
    status: decodeFlags(STATUS, view.read16(0x0a)),
  } as const;
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

/** The meaning of these bits depends on the function's type. */
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

import { bitsOf, decodeFlags, flagTable, flagText } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";
import { isOneOf, type PortType } from "./port-type.js";

const SUPPORT = flagTable({
  timeoutDisable: [4, "TimeoutDis"],
  noRelaxedPeerToPeer: [10, "NROPrPrP"],
  latencyTolerance: [11, "LTR"],
  tenBitTagCompleter: [16, "10BitTagComp"],
  tenBitTagRequester: [17, "10BitTagReq"],
  extendedFormat: [20, "ExtFmt"],
  endToEndPrefix: [21, "EETLPPrefix"],
  emergencyPowerInit: [26, "EmergencyPowerReductionInit"],
  functionReadiness: [31, "FRS"],
  ariForwarding: [5, "ARIFwd"],
  atomicRouting: [6, "Routing"],
  atomic32: [7, "32bit"],
  atomic64: [8, "64bit"],
  atomicCas128: [9, "128bitCAS"],
});
/** A function's abilities (Device Capabilities 2). @useDeclaredType */
export type ExpressSupport2 = keyof typeof SUPPORT;

const CONTROL = flagTable({
  timeoutDisabled: [4, "TimeoutDis"],
  latencyTolerance: [10, "LTR"],
  tenBitTagRequester: [12, "10BitTagReq"],
  ariForwarding: [5, "ARIFwd"],
  atomicRequester: [6, "ReqEn"],
  atomicEgressBlocking: [7, "EgressBlck"],
});
/** Switches (Device Control 2). @useDeclaredType */
export type ExpressControl2 = keyof typeof CONTROL;

const RANGES: Readonly<Record<number, string>> = {
  0: "Not Supported",
  1: "Range A",
  2: "Range B",
  3: "Range AB",
  6: "Range BC",
  7: "Range ABC",
  14: "Range BCD",
  15: "Range ABCD",
};
const TIMEOUTS: Readonly<Record<number, string>> = {
  0: "50us to 50ms",
  1: "50us to 100us",
  2: "1ms to 10ms",
  5: "16ms to 55ms",
  6: "65ms to 210ms",
  9: "260ms to 900ms",
  10: "1s to 3.5s",
  13: "4s to 13s",
  14: "17s to 64s",
};
const FLUSH_SUPPORT = ["Not Supported", "Via message", "Via WAKE#", "Via message/WAKE#"];
const FLUSH = ["Disabled", "Via message A", "Via message B", "Via WAKE#"];
const EMERGENCY = ["Not Supported", "Dev Specific", "Form Factor Dev Specific", "Reserved"];
const LINES = ["Not Supported", "64byte cachelines", "128byte cachelines", "Reserved"];
const HINTS = ["TPHComp- ExtTPHComp-", "TPHComp+ ExtTPHComp-", "", "TPHComp+ ExtTPHComp+"];

/** The second device registers, from version 2 of the capability on (PCI Express Base 4.0, sections 7.5.3.15 and 7.5.3.16). @useDeclaredType */
export type ExpressDevice2 = ReturnType<typeof decodeExpressDevice2>;

export function decodeExpressDevice2(view: CapabilityView) {
  const capabilities = view.read32(0x24);
  const control = view.read16(0x28);
  return {
    support: decodeFlags(SUPPORT, capabilities),
    /** Of completion timeouts: bit 0 is range A, bit 3 range D. */
    timeoutRanges: bitsOf(capabilities, 0, 4),
    /** Optimised buffer flush/fill: 0 none, 1 by message, 2 by WAKE#, 3 both. */
    bufferFlushSupport: bitsOf(capabilities, 18, 2),
    /** End-to-end prefixes in a packet, 1 to 4. */
    maxPrefixes: bitsOf(capabilities, 22, 2) || 4,
    /** Emergency power reduction: 0 none, 1 device specific, 2 by form factor. */
    emergencyPower: bitsOf(capabilities, 24, 2),
    /** The root complex's cache lines for lightweight notification: 0 none, 1 64 bytes, 2 128 bytes. */
    lineSize: bitsOf(capabilities, 14, 2),
    /** Accepted processing hints: 0 none, 1 hints, 3 extended hints too. */
    processingHints: bitsOf(capabilities, 12, 2),
    control: decodeFlags(CONTROL, control),
    /** The completion timeout in use, as the register's code 0 to 15: 0 is 50 µs to 50 ms. */
    timeout: bitsOf(control, 0, 4),
    /** Optimised buffer flush/fill in use: 0 off, 1 message A, 2 message B, 3 WAKE#. */
    bufferFlush: bitsOf(control, 13, 2),
  } as const;
}

/** @param hasMemoryBar whether the function has a memory BAR, the only target of atomic operations. */
export function describeExpressDevice2(
  device: ExpressDevice2,
  type: PortType,
  hasMemoryBar: boolean,
): string[] {
  return [
    ...supportLines(device, type),
    ...atomicSupport(device, type, hasMemoryBar),
    controlLine(device, type),
    ...atomicControl(device, type),
  ];
}

function supportLines(device: ExpressDevice2, type: PortType): string[] {
  const { support } = device;
  const words = (...names: ExpressSupport2[]): string => flagText(SUPPORT, support, names);
  const prefixes = support.endToEndPrefix ? `, MaxEETLPPrefixes ${device.maxPrefixes}` : "";
  const emergency = EMERGENCY[device.emergencyPower];
  const last = [
    words("functionReadiness"),
    type === "root-port" ? `LN System CLS ${LINES[device.lineSize]},` : undefined,
    isOneOf(type, "root-port", "endpoint") ? HINTS[device.processingHints] : undefined,
    routes(type) && type !== "upstream-port" ? words("ariForwarding") : undefined,
  ];
  return [
    `\t\tDevCap2: Completion Timeout: ${RANGES[device.timeoutRanges] ?? "Unknown"}, ` +
      words("timeoutDisable", "noRelaxedPeerToPeer", "latencyTolerance"),
    `\t\t\t ${words("tenBitTagCompleter", "tenBitTagRequester")} OBFF ${FLUSH_SUPPORT[device.bufferFlushSupport]}, ` +
      words("extendedFormat", "endToEndPrefix") +
      prefixes,
    `\t\t\t EmergencyPowerReduction ${emergency}, ${words("emergencyPowerInit")}`,
    `\t\t\t ${last.filter((part) => part !== undefined).join(" ")}`,
  ];
}

function atomicSupport({ support }: ExpressDevice2, type: PortType, hasMemoryBar: boolean): string[] {
  const names: ExpressSupport2[] = [];
  if (routes(type)) names.push("atomicRouting");
  if (type === "root-port" || hasMemoryBar) names.push("atomic32", "atomic64", "atomicCas128");
  return names.length === 0 ? [] : [`\t\t\t AtomicOpsCap: ${flagText(SUPPORT, support, names)}`];
}

function controlLine({ control, timeout, bufferFlush }: ExpressDevice2, type: PortType): string {
  const flags = flagText(CONTROL, control, ["timeoutDisabled", "latencyTolerance", "tenBitTagRequester"]);
  const forwarding = isOneOf(type, "root-port", "downstream-port")
    ? ` ${flagText(CONTROL, control, ["ariForwarding"])}`
    : "";
  const range = TIMEOUTS[timeout] ?? "Unknown";
  return `\t\tDevCtl2: Completion Timeout: ${range}, ${flags} OBFF ${FLUSH[bufferFlush]},${forwarding}`;
}

function atomicControl({ control }: ExpressDevice2, type: PortType): string[] {
  const names: ExpressControl2[] = [];
  if (isOneOf(type, "root-port", "endpoint", "integrated-endpoint", "legacy-endpoint"))
    names.push("atomicRequester");
  if (routes(type)) names.push("atomicEgressBlocking");
  return names.length === 0 ? [] : [`\t\t\t AtomicOpsCtl: ${flagText(CONTROL, control, names)}`];
}

function routes(type: PortType): boolean {
  return isOneOf(type, "root-port", "upstream-port", "downstream-port");
}

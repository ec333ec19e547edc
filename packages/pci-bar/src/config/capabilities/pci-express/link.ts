import { bitsOf, decodeFlags, flagTable, flagText, isSet, type BitFlags } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";
import { isOneOf, leadsDown, type PortType } from "./port-type.js";
import { latencyText, speedOf, speedText } from "./words.js";

/** A link's speed and width. */
export interface LinkRate {
  /** In GT/s: 2.5, 5, 8, 16, 32 or 64; `undefined` for a code no specification knows. */
  readonly speed: number | undefined;
  readonly width: number;
}

/** Link power states, for ASPM. */
export type AspmState = "l0s" | "l1";

const SUPPORT = flagTable({
  clockPowerManagement: [18, "ClockPM"],
  surpriseDown: [19, "Surprise"],
  activeReporting: [20, "LLActRep"],
  bandwidthNotification: [21, "BwNot"],
  aspmOptionality: [22, "ASPMOptComp"],
});
/** A link's abilities (Link Capabilities). @useDeclaredType */
export type LinkSupport = keyof typeof SUPPORT;

const CONTROL = flagTable({
  disabled: [4, "Disabled"],
  commonClock: [6, "CommClk"],
  extendedSynch: [7, "ExtSynch"],
  clockPowerManagement: [8, "ClockPM"],
  autonomousWidthDisabled: [9, "AutWidDis"],
  bandwidthInterrupt: [10, "BWInt"],
  autonomousBandwidthInterrupt: [11, "AutBWInt"],
});
/** Switches (Link Control). @useDeclaredType */
export type LinkControl = keyof typeof CONTROL;

const STATUS = flagTable({
  trainingError: [10, "TrErr"],
  training: [11, "Train"],
  slotClock: [12, "SlotClk"],
  active: [13, "DLActive"],
  bandwidthManaged: [14, "BWMgmt"],
  autonomousBandwidth: [15, "ABWMgmt"],
});
/** Events (Link Status). Writing 1 clears the bandwidth bits. @useDeclaredType */
export type LinkStatus = keyof typeof STATUS;

/** The link registers of PCI Express (PCI Express Base 3.0, sections 7.8.6 to 7.8.8). @useDeclaredType */
export type ExpressLink = ReturnType<typeof decodeExpressLink>;

export function decodeExpressLink(view: CapabilityView) {
  const capabilities = view.read32(0x0c);
  const control = view.read16(0x10);
  const status = view.read16(0x12);
  return {
    port: bitsOf(capabilities, 24, 8),
    max: rateOf(capabilities),
    current: rateOf(status),
    support: decodeFlags(SUPPORT, capabilities),
    aspmSupport: aspmStates(capabilities, 10),
    /** The time to leave them, as the register's codes 0 to 7: 0 is below 64 ns (L0s) or 1 µs (L1). */
    exitLatency: exitLatency(capabilities),
    aspm: aspmStates(control, 0),
    /** In bytes: 64 or 128. */
    readCompletionBoundary: 64 * 2 ** bitsOf(control, 3, 1),
    control: decodeFlags(CONTROL, control),
    status: decodeFlags(STATUS, status),
  } as const;
}

function aspmStates(register: number, lowest: number): BitFlags<AspmState> {
  return { l0s: isSet(register, lowest), l1: isSet(register, lowest + 1) };
}

function exitLatency(register: number): Readonly<Record<AspmState, number>> {
  return { l0s: bitsOf(register, 12, 3), l1: bitsOf(register, 15, 3) };
}

function rateOf(register: number): LinkRate {
  return { speed: speedOf(bitsOf(register, 0, 4)), width: bitsOf(register, 4, 6) };
}

export function describeExpressLink(link: ExpressLink, type: PortType): string[] {
  const hasBoundary = isOneOf(type, "root-port", "endpoint", "legacy-endpoint", "pcie-to-pci-bridge");
  const boundary = hasBoundary ? ` RCB ${link.readCompletionBoundary} bytes,` : "";
  const control = flagText(CONTROL, link.control).split(" ");
  const { max, current } = link;
  const speed = speedText(current.speed, "unknown") + comparison(current.speed, max.speed, type);
  return [
    `\t\tLnkCap:\tPort #${link.port}, Speed ${speedText(max.speed, "unknown")}, Width x${max.width}, ${aspmText(link)}`,
    `\t\t\t${flagText(SUPPORT, link.support)}`,
    `\t\tLnkCtl:\tASPM ${enabledText(link.aspm)};${boundary} ${control.slice(0, 2).join(" ")}`,
    `\t\t\t${control.slice(2).join(" ")}`,
    `\t\tLnkSta:\tSpeed ${speed}, Width x${current.width}${comparison(current.width, max.width, type)}`,
    `\t\t\t${flagText(STATUS, link.status)}`,
  ];
}

/** A downstream port may have a slower card: only the card itself is called downgraded. */
function comparison(now = 0, most = 0, type: PortType): string {
  if (now > most) return " (overdriven)";
  return now === most || leadsDown(type) ? "" : " (downgraded)";
}

function aspmText({ aspmSupport, exitLatency }: ExpressLink): string {
  const states = statesOf(aspmSupport);
  if (states.length === 0) return "ASPM not supported";
  const latencies = states.map((state) => `${state} ${latencyText(exitLatency[keyOf(state)], state)}`);
  return `ASPM ${states.join(" ")}, Exit Latency ${latencies.join(", ")}`;
}

function enabledText(aspm: BitFlags<AspmState>): string {
  const states = statesOf(aspm);
  return states.length === 0 ? "Disabled" : `${states.join(" ")} Enabled`;
}

function statesOf(flags: BitFlags<AspmState>): ("L0s" | "L1")[] {
  return (["L0s", "L1"] as const).filter((state) => flags[keyOf(state)]);
}

function keyOf(state: "L0s" | "L1"): AspmState {
  return state === "L0s" ? "l0s" : "l1";
}

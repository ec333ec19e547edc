import { bitsOf, decodeFlags, flagTable, flagText, isSet, plusMinus } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";
import { leadsDown, type PortType } from "./port-type.js";
import { speedOf, speedText } from "./words.js";

const SUPPORT = flagTable({
  crosslink: [8, "Crosslink"],
  retimer: [23, "Retimer"],
  twoRetimers: [24, "2Retimers"],
  readiness: [31, "DRS"],
});
/** A link's abilities (Link Capabilities 2). @useDeclaredType */
export type LinkSupport2 = keyof typeof SUPPORT;

const CONTROL = flagTable({
  enterCompliance: [4, "EnterCompliance"],
  autonomousSpeedDisabled: [5, "SpeedDis"],
  enterModifiedCompliance: [10, "EnterModifiedCompliance"],
  complianceSkip: [11, "ComplianceSOS"],
});
/** Switches (Link Control 2). @useDeclaredType */
export type LinkControl2 = keyof typeof CONTROL;

const STATUS = flagTable({
  equalizationComplete: [1, "EqualizationComplete"],
  equalizationPhase1: [2, "EqualizationPhase1"],
  equalizationPhase2: [3, "EqualizationPhase2"],
  equalizationPhase3: [4, "EqualizationPhase3"],
  equalizationRequest: [5, "LinkEqualizationRequest"],
  retimer: [6, "Retimer"],
  twoRetimers: [7, "2Retimers"],
  readinessReceived: [15, "DRS"],
});
/** States (Link Status 2). @useDeclaredType */
export type LinkStatus2 = keyof typeof STATUS;

const HALF_SWING = "200-400mV(full-swing)/100-200mV(half-swing)";
const MARGINS = [
  "Normal Operating Range",
  "800-1200mV(full-swing)/400-700mV(half-swing)",
  ...[HALF_SWING, HALF_SWING, HALF_SWING, HALF_SWING],
];
/** De-emphasis and preshoot, in dB. */
const PRESETS = [
  ...[["-6", "0"] as const, ["-3.5", "0"] as const, ["-4.4", "0"] as const, ["-2.5", "0"] as const],
  ...[["0", "0"] as const, ["0", "1.9"] as const, ["0", "2.5"] as const],
  ...[["-6.0", "3.5"] as const, ["-3.5", "3.5"] as const, ["0", "3.5"] as const],
];
const CROSSLINKS = ["unsupported", "Upstream Port", "Downstream Port", "incomplete"];
const COMPONENTS: Readonly<Record<number, string>> = {
  0: "Link Down - Not Determined",
  1: "Link Down - Not Present",
  2: "Link Down - Present",
  4: "Link Up - Present",
  5: "Link Up - Present and DRS Received",
};

/** The second link registers, from version 2 of the capability on (PCI Express Base 4.0, sections 7.5.3.18 to 7.5.3.20). @useDeclaredType */
export type ExpressLink2 = ReturnType<typeof decodeExpressLink2>;

export function decodeExpressLink2(view: CapabilityView) {
  const capabilities = view.read32(0x2c);
  const control = view.read16(0x30);
  const status = view.read16(0x32);
  return {
    /** All `false` before PCI Express 3.0, where the register is reserved. */
    support: decodeFlags(SUPPORT, capabilities),
    /** Bit 0 is 2.5 GT/s, bit 5 64 GT/s. 0 before PCI Express 3.0. */
    speeds: bitsOf(capabilities, 1, 7),
    /** The speeds with fewer sent SKP ordered sets, in the same bits. */
    lowerSkipGeneration: bitsOf(capabilities, 9, 7),
    /** The speeds with fewer received SKP ordered sets, in the same bits. */
    lowerSkipReception: bitsOf(capabilities, 16, 7),
    // A device with nothing but 2.5 GT/s may have 0 here.
    /** The speed to train to, in GT/s; `undefined` for a code that no specification knows. */
    targetSpeed: speedOf(bitsOf(control, 0, 4) || 1),
    control: decodeFlags(CONTROL, control),
    /** Selected by a downstream port at 5 GT/s, in dB: -6 or -3.5. */
    selectableDeemphasis: deemphasis(isSet(control, 6)),
    /** The voltage at the transmitter's pins, as the register's code: 0 is normal. */
    transmitMargin: bitsOf(control, 7, 3),
    /** Compliance preset or de-emphasis, as the register's code 0 to 15. */
    compliancePreset: bitsOf(control, 12, 4),
    status: decodeFlags(STATUS, status),
    /** At 5 GT/s, in dB: -6 or -3.5. */
    currentDeemphasis: deemphasis(isSet(status, 0)),
    /** The crosslink's resolution: 0 unsupported, 1 upstream, 2 downstream, 3 not yet. */
    crosslink: bitsOf(status, 8, 2),
    downstreamComponent: bitsOf(status, 12, 3),
  } as const;
}

function deemphasis(isLess: boolean): number {
  return isLess ? -3.5 : -6;
}

/** @param decides whether this function decides for the link: only the first of a device does. */
export function describeExpressLink2(link: ExpressLink2, type: PortType, decides: boolean): string[] {
  return [
    ...(decides ? [...supportLine(link), ...controlLines(link, type)] : []),
    ...statusLines(link, type, decides),
  ];
}

function supportLine({ speeds, support, lowerSkipGeneration, lowerSkipReception }: ExpressLink2): string[] {
  const isReserved =
    speeds + lowerSkipGeneration + lowerSkipReception === 0 && !Object.values(support).includes(true);
  if (isReserved) return [];
  return [`\t\tLnkCap2: Supported Link Speeds: ${speedsText(speeds)}, ${flagText(SUPPORT, support)}`];
}

function controlLines(link: ExpressLink2, type: PortType): string[] {
  const words = (...names: LinkControl2[]): string => flagText(CONTROL, link.control, names);
  const preset = PRESETS[link.compliancePreset];
  const deemphasis =
    type === "downstream-port" ? `, Selectable De-emphasis: ${link.selectableDeemphasis}dB` : "";
  return [
    `\t\tLnkCtl2: Target Link Speed: ${speedText(link.targetSpeed, "Unknown")}, ` +
      words("enterCompliance", "autonomousSpeedDisabled") +
      deemphasis,
    `\t\t\t Transmit Margin: ${MARGINS[link.transmitMargin] ?? "Unknown"}, ` +
      words("enterModifiedCompliance", "complianceSkip"),
    `\t\t\t Compliance Preset/De-emphasis: ` +
      (preset === undefined ? "Unknown" : `${preset[0]}dB de-emphasis, ${preset[1]}dB preshoot`),
  ];
}

function statusLines(link: ExpressLink2, type: PortType, decides: boolean): string[] {
  const { status, support } = link;
  const words = (...names: LinkStatus2[]): string => flagText(STATUS, status, names);
  const hasReadiness = decides && leadsDown(type) && support.readiness;
  return [
    `\t\tLnkSta2: Current De-emphasis Level: ${link.currentDeemphasis}dB, ` +
      words("equalizationComplete", "equalizationPhase1"),
    `\t\t\t ${words("equalizationPhase2", "equalizationPhase3", "equalizationRequest")}`,
    `\t\t\t ${words("retimer", "twoRetimers")} CrosslinkRes: ${CROSSLINKS[link.crosslink]}` +
      (hasReadiness ? `, DRS${plusMinus(status.readinessReceived)}` : ""),
    ...(hasReadiness ? [`\t\t\t DownstreamComp: ${COMPONENTS[link.downstreamComponent] ?? "Reserved"}`] : []),
  ];
}

/** Every device supports 2.5 GT/s and all speeds up to its highest (PCI Express Base 5.0, section 8.2.1). */
function speedsText(speeds: number): string {
  if (speeds === 0) return "Unknown";
  const highest = 31 - Math.clz32(speeds);
  if (highest === 0) return "2.5GT/s";
  return highest > 4 ? "RsvdP" : `2.5-${speedText(speedOf(highest + 1), "")}`;
}

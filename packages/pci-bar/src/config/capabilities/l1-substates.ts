import { bitsOf, decodeFlags, flagText, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** The L1 substates a link can have, each for PCI-PM and for ASPM. */
export type L1Substate = "pciPmL12" | "pciPmL11" | "aspmL12" | "aspmL11";

/** L1 PM substates (L1 PM Substates with CLKREQ ECN; PCI Express Base 4.0, section 7.8.3). */
export interface L1Substates {
  /** What the link can do; `substates` is whether it has any. */
  readonly support: BitFlags<L1Substate | "substates">;
  /** How long the port needs to restore its common mode, in microseconds. */
  readonly commonModeRestoreUs: number;
  /** How long power needs to come back, in microseconds, or `undefined` for a reserved scale. */
  readonly powerOnUs: number | undefined;
  /** Which substates are switched on. */
  readonly control: BitFlags<L1Substate>;
  /** The common mode restore time in use, in microseconds. */
  readonly commonModeRestoreInUseUs: number;
  /** From which latency on L1.2 is entered, in nanoseconds, or `undefined` for a reserved scale. */
  readonly ltrThresholdNs: number | undefined;
  /** The power-on time in use, in microseconds, or `undefined` for a reserved scale. */
  readonly powerOnInUseUs: number | undefined;
}

const SUBSTATES: FlagTable<L1Substate> = {
  pciPmL12: [0, "PCI-PM_L1.2"],
  pciPmL11: [1, "PCI-PM_L1.1"],
  aspmL12: [2, "ASPM_L1.2"],
  aspmL11: [3, "ASPM_L1.1"],
};
const SUPPORT: FlagTable<keyof L1Substates["support"]> = { ...SUBSTATES, substates: [4, "L1_PM_Substates"] };
const POWER_ON_SCALES = [2, 10, 100];
const LAST_LTR_SCALE = 5;

/** Reads the 16 bytes of the L1 PM substates. */
export function decodeL1Substates(view: CapabilityView): L1Substates {
  const [capabilities, control1, control2] = [view.read32(4), view.read32(8), view.read32(12)];
  const scale = bitsOf(control1, 29, 3);
  return {
    support: decodeFlags(SUPPORT, capabilities),
    commonModeRestoreUs: bitsOf(capabilities, 8, 8),
    powerOnUs: powerOn(bitsOf(capabilities, 16, 2), bitsOf(capabilities, 19, 5)),
    control: decodeFlags(SUBSTATES, control1),
    commonModeRestoreInUseUs: bitsOf(control1, 8, 8),
    ltrThresholdNs: scale > LAST_LTR_SCALE ? undefined : bitsOf(control1, 16, 10) * 32 ** scale,
    powerOnInUseUs: powerOn(bitsOf(control2, 0, 2), bitsOf(control2, 3, 5)),
  };
}

function powerOn(scale: number, value: number): number | undefined {
  const unit = POWER_ON_SCALES[scale];
  return unit === undefined ? undefined : unit * value;
}

export function describeL1Substates(l1: L1Substates): string[] {
  const hasL12 = l1.support.pciPmL12 || l1.support.aspmL12;
  const threshold = l1.support.aspmL12 ? ` LTR1.2_Threshold=${time(l1.ltrThresholdNs, "ns")}` : "";
  const times = `PortCommonModeRestoreTime=${l1.commonModeRestoreUs}us PortTPowerOnTime=${time(l1.powerOnUs, "us")}`;
  return [
    "L1 PM Substates",
    `\t\tL1SubCap: ${flagText(SUPPORT, l1.support)}`,
    ...(hasL12 ? [`\t\t\t  ${times}`] : []),
    `\t\tL1SubCtl1: ${flagText(SUBSTATES, l1.control)}`,
    ...(hasL12 ? [`\t\t\t   T_CommonMode=${l1.commonModeRestoreInUseUs}us${threshold}`] : []),
    `\t\tL1SubCtl2:${hasL12 ? ` T_PwrOn=${time(l1.powerOnInUseUs, "us")}` : ""}`,
  ];
}

function time(value: number | undefined, unit: string): string {
  return value === undefined ? "<error>" : `${value}${unit}`;
}

import { bitsOf, decodeFlags, flagTable, flagText } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const SUBSTATES = flagTable({
  pciPmL12: [0, "PCI-PM_L1.2"],
  pciPmL11: [1, "PCI-PM_L1.1"],
  aspmL12: [2, "ASPM_L1.2"],
  aspmL11: [3, "ASPM_L1.1"],
});
/** The L1 substates a link can have, each for PCI-PM and for ASPM. @useDeclaredType */
export type L1Substate = keyof typeof SUBSTATES;

const SUPPORT = flagTable({ ...SUBSTATES, substates: [4, "L1_PM_Substates"] });
const POWER_ON_SCALES = [2, 10, 100];
const LAST_LTR_SCALE = 5;

/** L1 PM substates (L1 PM Substates with CLKREQ ECN; PCI Express Base 4.0, section 7.8.3). @useDeclaredType */
export type L1Substates = ReturnType<typeof decodeL1Substates>;

export function decodeL1Substates(view: CapabilityView) {
  const [capabilities, control1, control2] = [view.read32(4), view.read32(8), view.read32(12)];
  const scale = bitsOf(control1, 29, 3);
  return {
    support: decodeFlags(SUPPORT, capabilities),
    /** The port's time to restore its common mode, in microseconds. */
    commonModeRestoreUs: bitsOf(capabilities, 8, 8),
    /** The time for power to come back, in microseconds; `undefined` for a reserved scale. */
    powerOnUs: powerOn(bitsOf(capabilities, 16, 2), bitsOf(capabilities, 19, 5)),
    control: decodeFlags(SUBSTATES, control1),
    /** The common mode restore time in use, in microseconds. */
    commonModeRestoreInUseUs: bitsOf(control1, 8, 8),
    /** The latency from which on L1.2 is entered, in nanoseconds; `undefined` for a reserved scale. */
    ltrThresholdNs: scale > LAST_LTR_SCALE ? undefined : bitsOf(control1, 16, 10) * 32 ** scale,
    /** The power-on time in use, in microseconds; `undefined` for a reserved scale. */
    powerOnInUseUs: powerOn(bitsOf(control2, 0, 2), bitsOf(control2, 3, 5)),
  } as const;
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

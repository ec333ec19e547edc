import { bitsOf, decodeFlags, flagTable, flagText } from "../../bits.js";
import type { CapabilityView } from "../../capability-view.js";
import { powerText, slotPower } from "./words.js";

/** The state of an indicator light. */
export type Indicator = "reserved" | "on" | "blink" | "off";

const SUPPORT = flagTable({
  attentionButton: [0, "AttnBtn"],
  powerController: [1, "PwrCtrl"],
  retentionLatch: [2, "MRL"],
  attentionIndicator: [3, "AttnInd"],
  powerIndicator: [4, "PwrInd"],
  hotPlug: [6, "HotPlug"],
  surpriseRemoval: [5, "Surprise"],
  interlock: [17, "Interlock"],
  noCommandCompleted: [18, "NoCompl"],
});
/** A slot's features (Slot Capabilities). @useDeclaredType */
export type SlotSupport = keyof typeof SUPPORT;

const CONTROL = flagTable({
  attentionButton: [0, "AttnBtn"],
  powerFault: [1, "PwrFlt"],
  retentionLatch: [2, "MRL"],
  presence: [3, "PresDet"],
  commandCompleted: [4, "CmdCplt"],
  hotPlugInterrupt: [5, "HPIrq"],
  linkState: [12, "LinkChg"],
  powerOff: [10, "Power"],
  interlock: [11, "Interlock"],
});
/** Interrupts and switches (Slot Control). `powerOff`: the slot has no power. @useDeclaredType */
export type SlotControl = keyof typeof CONTROL;

const STATUS = flagTable({
  attentionButton: [0, "AttnBtn"],
  powerFault: [1, "PowerFlt"],
  retentionLatch: [5, "MRL"],
  commandCompleted: [4, "CmdCplt"],
  present: [6, "PresDet"],
  interlock: [7, "Interlock"],
  retentionLatchChanged: [2, "MRL"],
  presenceChanged: [3, "PresDet"],
  linkStateChanged: [8, "LinkState"],
});
/** States and changes (Slot Status). Writing 1 clears those that end in `Changed`. @useDeclaredType */
export type SlotStatus = keyof typeof STATUS;

const INDICATORS: readonly Indicator[] = ["reserved", "on", "blink", "off"];
const INDICATOR_WORDS: Readonly<Record<Indicator, string>> = {
  reserved: "Unknown",
  on: "On",
  blink: "Blink",
  off: "Off",
};

/** The slot registers of PCI Express (PCI Express Base 3.0, sections 7.8.9 to 7.8.11). @useDeclaredType */
export type ExpressSlot = ReturnType<typeof decodeExpressSlot>;

export function decodeExpressSlot(view: CapabilityView) {
  const capabilities = view.read32(0x14);
  const control = view.read16(0x18);
  return {
    number: bitsOf(capabilities, 19, 13),
    /** In watts. Infinity: more than 600 W. */
    powerLimit: slotPower(bitsOf(capabilities, 7, 8), bitsOf(capabilities, 15, 2)),
    support: decodeFlags(SUPPORT, capabilities),
    control: decodeFlags(CONTROL, control),
    attentionIndicator: INDICATORS[bitsOf(control, 6, 2)] ?? "reserved",
    powerIndicator: INDICATORS[bitsOf(control, 8, 2)] ?? "reserved",
    status: decodeFlags(STATUS, view.read16(0x1a)),
  } as const;
}

export function describeExpressSlot(slot: ExpressSlot): string[] {
  const support = flagText(SUPPORT, slot.support).split(" ");
  const control = flagText(CONTROL, slot.control).split(" ");
  const status = flagText(STATUS, slot.status).split(" ");
  const attention = INDICATOR_WORDS[slot.attentionIndicator];
  const power = INDICATOR_WORDS[slot.powerIndicator];
  return [
    `\t\tSltCap:\t${support.slice(0, 7).join(" ")}`,
    `\t\t\tSlot #${slot.number}, PowerLimit ${powerText(slot.powerLimit)}; ${support.slice(7).join(" ")}`,
    `\t\tSltCtl:\tEnable: ${control.slice(0, 7).join(" ")}`,
    `\t\t\tControl: AttnInd ${attention}, PwrInd ${power}, ${control.slice(7).join(" ")}`,
    `\t\tSltSta:\tStatus: ${status.slice(0, 6).join(" ")}`,
    `\t\t\tChanged: ${status.slice(6).join(" ")}`,
  ];
}

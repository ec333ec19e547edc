import { bitsOf, decodeFlags, flagText, isSet, plusMinus, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Power management (PCI Bus Power Management Interface 1.2, section 3.2). */
export interface PowerManagement {
  /** The version of the interface, 3 for 1.2. */
  readonly version: number;
  /** What the function can do. `specificInitialization`: it needs more than the standard set-up after D3. */
  readonly support: BitFlags<"pmeClock" | "specificInitialization" | "d1" | "d2">;
  /** What it draws from auxiliary power in D3cold, in mA. */
  readonly auxCurrent: number;
  /** The states in which it can signal PME#. */
  readonly pmeFrom: BitFlags<"d0" | "d1" | "d2" | "d3hot" | "d3cold">;
  /** The power state it is in: 0 is D0, 3 is D3hot. */
  readonly state: number;
  /** Going from D3hot to D0 keeps its registers. */
  readonly noSoftReset: boolean;
  /** It may signal PME#. */
  readonly pmeEnabled: boolean;
  /** It would signal PME#. Writing 1 clears it. */
  readonly pmeStatus: boolean;
  /** Which figure its data register shows. */
  readonly dataSelect: number;
  /** The scale of that figure. */
  readonly dataScale: number;
  /** The extensions of a PCI-to-PCI bridge, or `undefined` if the register reads 0. */
  readonly bridge: BitFlags<"clockControl" | "clockStopsInD3hot"> | undefined;
}

const SUPPORT: FlagTable<keyof PowerManagement["support"]> = {
  pmeClock: [3, "PMEClk"],
  specificInitialization: [5, "DSI"],
  d1: [9, "D1"],
  d2: [10, "D2"],
};
const PME_FROM: FlagTable<keyof PowerManagement["pmeFrom"]> = {
  d0: [11, "D0"],
  d1: [12, "D1"],
  d2: [13, "D2"],
  d3hot: [14, "D3hot"],
  d3cold: [15, "D3cold"],
};
const BRIDGE: FlagTable<"clockControl" | "clockStopsInD3hot"> = {
  clockControl: [7, "PM"],
  clockStopsInD3hot: [6, "B2"],
};
const AUX_CURRENTS = [0, 55, 100, 160, 220, 270, 320, 375];

/** Reads the 8 bytes of power management. */
export function decodePowerManagement(view: CapabilityView): PowerManagement {
  const capabilities = view.read16(2);
  const control = view.read16(4);
  const bridge = view.read8(6);
  return {
    version: bitsOf(capabilities, 0, 3),
    support: decodeFlags(SUPPORT, capabilities),
    auxCurrent: AUX_CURRENTS[bitsOf(capabilities, 6, 3)] ?? 0,
    pmeFrom: decodeFlags(PME_FROM, capabilities),
    state: bitsOf(control, 0, 2),
    noSoftReset: isSet(control, 3),
    pmeEnabled: isSet(control, 8),
    pmeStatus: isSet(control, 15),
    dataSelect: bitsOf(control, 9, 4),
    dataScale: bitsOf(control, 13, 2),
    bridge: bridge === 0 ? undefined : decodeFlags(BRIDGE, bridge),
  };
}

export function describePowerManagement(pm: PowerManagement): string[] {
  const pmeFrom = flagText(PME_FROM, pm.pmeFrom).replaceAll(" ", ",");
  return [
    `Power Management version ${pm.version}`,
    `\t\tFlags: ${flagText(SUPPORT, pm.support)} AuxCurrent=${pm.auxCurrent}mA PME(${pmeFrom})`,
    `\t\tStatus: D${pm.state} NoSoftRst${plusMinus(pm.noSoftReset)} PME-Enable${plusMinus(pm.pmeEnabled)} ` +
      `DSel=${pm.dataSelect} DScale=${pm.dataScale} PME${plusMinus(pm.pmeStatus)}`,
    ...(pm.bridge === undefined ? [] : [`\t\tBridge: ${flagText(BRIDGE, pm.bridge)}`]),
  ];
}

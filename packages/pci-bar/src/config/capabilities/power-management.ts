import { bitsOf, decodeFlags, flagTable, flagText, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const SUPPORT = flagTable({
  pmeClock: [3, "PMEClk"],
  specificInitialization: [5, "DSI"],
  d1: [9, "D1"],
  d2: [10, "D2"],
});
const PME_FROM = flagTable({
  d0: [11, "D0"],
  d1: [12, "D1"],
  d2: [13, "D2"],
  d3hot: [14, "D3hot"],
  d3cold: [15, "D3cold"],
});
const BRIDGE = flagTable({
  clockControl: [7, "PM"],
  clockStopsInD3hot: [6, "B2"],
});
const AUX_CURRENTS = [0, 55, 100, 160, 220, 270, 320, 375];

/** Power management (PCI Bus Power Management Interface 1.2, section 3.2). @useDeclaredType */
export type PowerManagement = ReturnType<typeof decodePowerManagement>;

export function decodePowerManagement(view: CapabilityView) {
  const capabilities = view.read16(2);
  const control = view.read16(4);
  const bridge = view.read8(6);
  return {
    /** Of the interface: 3 for 1.2. */
    version: bitsOf(capabilities, 0, 3),
    /** `specificInitialization`: the function needs more than the standard set-up after D3. */
    support: decodeFlags(SUPPORT, capabilities),
    /** The current from auxiliary power in D3cold, in mA. */
    auxCurrent: AUX_CURRENTS[bitsOf(capabilities, 6, 3)] ?? 0,
    pmeFrom: decodeFlags(PME_FROM, capabilities),
    /** 0 is D0, 3 is D3hot. */
    state: bitsOf(control, 0, 2),
    /** Registers survive the change from D3hot to D0. */
    noSoftReset: isSet(control, 3),
    pmeEnabled: isSet(control, 8),
    /** It would signal PME#. Writing 1 clears the bit. */
    pmeStatus: isSet(control, 15),
    /** The figure that its data register shows. */
    dataSelect: bitsOf(control, 9, 4),
    dataScale: bitsOf(control, 13, 2),
    /** The extensions of a PCI-to-PCI bridge; `undefined` if the register reads 0. */
    bridge: bridge === 0 ? undefined : decodeFlags(BRIDGE, bridge),
  } as const;
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

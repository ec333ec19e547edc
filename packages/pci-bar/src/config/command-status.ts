import { bitsOf, flagTable } from "./bits.js";

/** Bits that stay set until cleared by writing 1. */
export type ClearableStatusFlag = Exclude<
  StatusFlag,
  "capabilities" | "mhz66" | "userDefinable" | "fastBackToBack" | "intx"
>;

/** Bits of a bridge's secondary status (PCI-to-PCI Bridge Architecture 1.2, section 3.2.5.7). */
export type SecondaryStatusFlag =
  | Exclude<StatusFlag, "capabilities" | "userDefinable" | "intx" | "signaledSystemError">
  | "receivedSystemError";

/** The slowest DEVSEL# timing: how soon a device answers. */
export type DeviceSelect = "fast" | "medium" | "slow" | "reserved";

export const COMMAND = flagTable({
  ioSpace: [0, "I/O"],
  memorySpace: [1, "Mem"],
  busMaster: [2, "BusMaster"],
  specialCycles: [3, "SpecCycle"],
  writeInvalidate: [4, "MemWINV"],
  vgaSnoop: [5, "VGASnoop"],
  parityErrors: [6, "ParErr"],
  stepping: [7, "Stepping"],
  systemErrors: [8, "SERR"],
  fastBackToBack: [9, "FastB2B"],
  intxDisabled: [10, "DisINTx"],
});
/** Bits of the command register (PCI Local Bus 3.0, section 6.2.2). @useDeclaredType */
export type CommandFlag = keyof typeof COMMAND;

export const STATUS = flagTable({
  capabilities: [4, "Cap"],
  mhz66: [5, "66MHz"],
  userDefinable: [6, "UDF"],
  fastBackToBack: [7, "FastB2B"],
  masterDataParityError: [8, "ParErr"],
  signaledTargetAbort: [11, ">TAbort"],
  receivedTargetAbort: [12, "<TAbort"],
  receivedMasterAbort: [13, "<MAbort"],
  signaledSystemError: [14, ">SERR"],
  detectedParityError: [15, "<PERR"],
  intx: [3, "INTx"],
});
/** Bits of the status register (PCI Local Bus 3.0, section 6.2.3). @useDeclaredType */
export type StatusFlag = keyof typeof STATUS;

export const SECONDARY_STATUS = flagTable({
  mhz66: [5, "66MHz"],
  fastBackToBack: [7, "FastB2B"],
  masterDataParityError: [8, "ParErr"],
  signaledTargetAbort: [11, ">TAbort"],
  receivedTargetAbort: [12, "<TAbort"],
  receivedMasterAbort: [13, "<MAbort"],
  receivedSystemError: [14, "<SERR"],
  detectedParityError: [15, "<PERR"],
});

const DEVICE_SELECTS: readonly DeviceSelect[] = ["fast", "medium", "slow", "reserved"];

export function deviceSelectOf(status: number): DeviceSelect {
  return DEVICE_SELECTS[bitsOf(status, 9, 2)] ?? "reserved";
}

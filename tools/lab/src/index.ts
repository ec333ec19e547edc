export { LAB_DEVICES, type LabDevice, type LabDeviceName } from "./devices.js";
export { LabError, type LabErrorCode, type LabErrorParts } from "./lab-error.js";
export type { Accelerator, LabOptions, LabProgress, LabResult, MachineOptions } from "./lab-options.js";
export type { Kernel } from "./kernel.js";
export type { Host, ProgramResult, RunOptions } from "./host.js";
export type { LabExtra } from "./packages.js";
export { prepareLab, type PreparedLab, type PrepareOptions } from "./prepare-lab.js";
export { runInLab } from "./run-in-lab.js";
export { openLabShell, type LabShellOptions } from "./lab-shell.js";

export { LAB_DEVICES, type LabDevice, type LabDeviceName } from "./machine/devices.js";
export { LabError, type LabErrorCode, type LabErrorParts } from "./run/lab-error.js";
export type { Accelerator, LabOptions, LabProgress, LabResult, MachineOptions } from "./run/lab-options.js";
export type { Kernel } from "./kernel/kernel.js";
export type { Host, ProgramResult, RunOptions } from "./host/host.js";
export type { LabExtra } from "./host/packages.js";
export { prepareLab, type PreparedLab, type PrepareOptions } from "./run/prepare-lab.js";
export { runInLab } from "./run/run-in-lab.js";
export { openLabShell, type LabShellOptions } from "./guest/lab-shell.js";

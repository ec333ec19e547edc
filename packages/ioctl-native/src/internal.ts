/**
 * Shared by the packages of this library alone: it may change in any version.
 *
 * @packageDocumentation
 */
export { contextOr } from "./errors/errors.js";
export {
  argumentError,
  checkFunction,
  checkHasFd,
  checkOptions,
  isAbortSignal,
  shownValue,
} from "./errors/argument-error.js";
export { closedError, fdState } from "./files/fd.js";
export { mappedWindow } from "./memory/mapped-window.js";
export { printAs } from "./errors/printed.js";
export { Holds } from "./lifecycle/holds.js";
export { addSuppressed, closings, orUndo, runAll, undo } from "./lifecycle/run-all.js";
export { readInto } from "./files/file-io.js";
export { bulkArgumentError, hasBits, registerOffsetError } from "./memory/bulk-registers.js";
export { cgroupLimits } from "./memory/cgroups.js";
export { isAnonymousMemory, isOrdinaryMemory, sizeGuaranteeOf } from "./memory/memory-file.js";
export { memoryShortage } from "./memory/memory-shortage.js";
export * from "./intervals/index.js";
export { Deadline, LONGEST_TIMER_MS } from "./events/deadline.js";
export { readableOrOver } from "./events/wait.js";
export { checkWaitLimits, limitWait, timeoutError } from "./events/wait-limits.js";
export { lockHolder } from "./files/file-lock.js";
export { exists, listFolder, readLinkName, readSysfs, writeSysfs } from "./machine/sysfs.js";
export { fileOf, filesOpenIn, holdersBy, holdersOf, processName, type Holders } from "./machine/holders.js";
export {
  checkGroupNumber,
  describePciDevice,
  driverOf,
  groupExistsInSysfs,
  isVfioDriver,
  PCI_DEVICES,
} from "./machine/topology.js";
export { groupNodes, groupOfLink, isContainerLink } from "./machine/vfio-nodes.js";
export { checkArray } from "./structs/capability-chain.js";
export { regionName } from "./vfio/region.js";

export { leavesNothingBehind, staysAsItWas, type Hooks } from "./leaves-nothing-behind.js";
export { countMappings } from "./mappings.js";
export { processState, type ProcessState } from "./process-state.js";
export { KernelLog } from "./kernel-log.js";
export { errorOf, rejectionOf } from "./errors.js";
export { finished, NOBODY, runAsNobody, type Finished } from "./run.js";
export { shortTemporaryFolder } from "./short-temporary-folder.js";
export { fakeSysfs, pciDevice } from "./fake-sysfs.js";
export { plainErrors, WRONG, type Called } from "./wrong-arguments.js";

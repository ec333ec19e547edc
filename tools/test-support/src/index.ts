export { leavesNothingBehind, type Hooks } from "./leaves-nothing-behind.js";
export { processState, type ProcessState } from "./process-state.js";
export { errorOf, rejectionOf } from "./errors.js";
export { finished, NOBODY, runAsNobody, type Finished } from "./run.js";

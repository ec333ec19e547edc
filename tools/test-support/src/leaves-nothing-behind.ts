import { afterEach, beforeEach, expect } from "vitest";
import { processState, type ProcessState } from "./process-state.js";

/** Where the two halves of the comparison are registered. */
export interface Hooks {
  readonly beforeEach: (half: () => void) => void;
  readonly afterEach: (half: () => void) => void;
}

/**
 * Every test of the file, or of the `describe` in which this is called, must leave the process's fds, mappings, locked
 * and pinned memory and the system's hugepages as they were. What one's own `afterEach` still gives back counts if it is
 * registered after this call: Vitest runs the last one first.
 * @param hooks Default: Vitest's own.
 */
export function leavesNothingBehind(hooks: Hooks = { beforeEach, afterEach }): void {
  let before: ProcessState;
  hooks.beforeEach(() => {
    before = processState();
  });
  hooks.afterEach(() => {
    expect(processState()).toEqual(before);
  });
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterEach, beforeEach, expect } from "vitest";
import { processState } from "./process-state.js";

export interface Hooks {
  readonly beforeEach: (half: () => Promise<void>) => void;
  readonly afterEach: (half: () => Promise<void>) => void;
}

/** The longest that resources a test has released may stay. */
const PATIENCE_MS = 5000;

/**
 * Every test of the file, or of the `describe` in which this is called, must leave the process's fds, mappings, locked
 * and pinned memory and its hugepages as they were. A test file's own `afterEach` may still release them if it is
 * registered after this call: Vitest runs the last one first.
 */
export function leavesNothingBehind(): void {
  staysAsItWas(processState);
}

/**
 * As {@link leavesNothingBehind}, for whatever `look` sees. Node.js's own threads open files for a moment: the picture
 * before counts when two looks agree, and the one after has time to become equal.
 * @param hooks Default: Vitest's own.
 */
export function staysAsItWas(
  look: () => unknown,
  hooks: Hooks = { beforeEach, afterEach },
  patienceMs = PATIENCE_MS,
): void {
  let before: unknown;
  hooks.beforeEach(async () => {
    await firstChild();
    before = await settled(look);
  });
  hooks.afterEach(async () => {
    await expect.poll(look, { timeout: patienceMs }).toEqual(before);
  });
}

async function settled(look: () => unknown): Promise<unknown> {
  let seen = look();
  for (;;) {
    await sleep(1);
    const again = look();
    if (isDeepStrictEqual(again, seen)) return again;
    seen = again;
  }
}

let child: Promise<unknown> | undefined;
/** libuv opens its pipe for signals at a process's first child, and keeps it. */
function firstChild(): Promise<unknown> {
  return (child ??= once(spawn("true", { stdio: "ignore" }), "close"));
}

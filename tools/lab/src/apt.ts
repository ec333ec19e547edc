import { setTimeout as sleep } from "node:timers/promises";
import type { Host, ProgramResult, RunOptions } from "./host.js";

/** How long another apt may take until we give up, and how often we look. */
const PATIENCE = { forMs: 300_000, pauseMs: 1000 };

/**
 * Runs apt-get without questions, and waits for another apt to finish: one that the system started after it booted, or that of a second
 * lab. apt waits for dpkg's lock when asked to, but fails at once on the one of the package lists, whatever it is asked.
 */
export async function aptGet(
  host: Host,
  args: readonly string[],
  options: RunOptions = {},
  { forMs, pauseMs } = PATIENCE,
): Promise<ProgramResult> {
  const patient = ["-o", `DPkg::Lock::Timeout=${forMs / 1000}`, ...args];
  const env = { ...options.env, DEBIAN_FRONTEND: "noninteractive" };
  for (let waited = 0; ; waited += pauseMs) {
    const result = await host.run("apt-get", patient, { ...options, env });
    if (!isLocked(result) || waited >= forMs) return result;
    await sleep(pauseMs, undefined, { signal: options.signal });
  }
}

function isLocked({ code, stderr }: ProgramResult): boolean {
  return code !== 0 && stderr.includes("Could not get lock");
}

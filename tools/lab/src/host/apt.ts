import { setTimeout as sleep } from "node:timers/promises";
import type { Host, ProgramResult, RunOptions } from "./host.js";

/** How long another apt may take until we give up, after how much of that we say so, and how often we look. */
const PATIENCE = { forMs: 300_000, silentMs: 3000, pauseMs: 1000 };

/** How apt-get runs. */
export interface AptOptions extends RunOptions {
  /** Told what is waited for, if that takes long. */
  readonly report: (message: string) => void;
}

/**
 * Runs apt-get without questions, and waits for another apt to finish: one that the system started after it booted, or that of a second
 * lab. apt itself can wait for dpkg's lock, but does not say so, and never waits for that of the package lists.
 */
export async function aptGet(
  host: Host,
  args: readonly string[],
  { report, ...options }: AptOptions,
  { forMs, silentMs, pauseMs } = PATIENCE,
): Promise<ProgramResult> {
  const env = { ...options.env, DEBIAN_FRONTEND: "noninteractive" };
  for (let waited = 0; ; waited += pauseMs) {
    const result = await host.run("apt-get", args, { ...options, env });
    const lock = lockInTheWay(result);
    if (lock === undefined || waited >= forMs) return result;
    if (waited === silentMs) report(`Waiting for another apt to end: ${lock}`);
    await sleep(pauseMs, undefined, { signal: options.signal });
  }
}

/** What apt-get says of a lock that another one has. */
function lockInTheWay({ code, stderr }: ProgramResult): string | undefined {
  return code === 0 ? undefined : /Could not get lock .*/.exec(stderr)?.[0];
}

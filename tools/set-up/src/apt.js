/** apt-get. Nothing here may import an npm package: set-up runs before any is installed. */
import { setTimeout as sleep } from "node:timers/promises";

/** How long to wait for another apt, when to begin to say so, and how often to look. */
const PATIENCE = { forMs: 300_000, silentMs: 3000, pauseMs: 1000 };

/**
 * @typedef {import("./run-program.js").ProgramResult} ProgramResult
 * @typedef {import("./run-program.js").RunOptions} RunOptions
 * @typedef {{ run(program: string, args: readonly string[], options?: RunOptions): Promise<ProgramResult> }} Runner the
 *   machine; a program's exit code is a result, not an error.
 * @typedef {RunOptions & { report: (message: string) => void }} AptOptions `report` is told what is waited for, if that
 *   takes long.
 */

/**
 * Runs apt-get without questions, and waits for another apt to finish: one that the system started at boot, or that of
 * a second set-up. apt itself can wait for dpkg's lock, but does not say so, and never waits for the lock of the
 * package lists. It repeats failed downloads itself.
 * @param {Runner} host
 * @param {readonly string[]} args
 * @param {AptOptions} options
 * @returns {Promise<ProgramResult>}
 */
export async function aptGet(host, args, { report, ...options }, { forMs, silentMs, pauseMs } = PATIENCE) {
  const env = { ...options.env, DEBIAN_FRONTEND: "noninteractive" };
  for (let waited = 0; ; waited += pauseMs) {
    const result = await host.run("apt-get", args, { ...options, env });
    const lock = lockInTheWay(result);
    if (lock === undefined || waited >= forMs) return result;
    if (waited === silentMs) report(`Waiting for another apt to end: ${lock}`);
    await sleep(pauseMs, undefined, { signal: options.signal });
  }
}

/** @param {readonly string[]} packages */
function installation(packages) {
  return ["install", "-y", "--no-install-recommends", ...packages];
}

/**
 * The command to type.
 * @param {readonly string[]} packages
 * @param {boolean} isRoot
 */
export function installCommand(packages, isRoot) {
  const commands = [["update"], installation(packages)];
  return commands.map((args) => [...(isRoot ? [] : ["sudo"]), "apt-get", ...args].join(" ")).join(" && ");
}

/**
 * Installs packages, after updating the package lists.
 * @param {Runner} host
 * @param {readonly string[]} packages
 * @param {AptOptions} options
 * @returns {Promise<ProgramResult & { command: string } | undefined>} the apt-get that failed.
 */
export async function install(host, packages, options) {
  for (const args of [["update"], installation(packages)]) {
    const result = await aptGet(host, args, options);
    if (result.code !== 0) return { ...result, command: ["apt-get", ...args].join(" ") };
  }
  return undefined;
}

/** apt-get's line about another apt's lock. @param {ProgramResult} result */
function lockInTheWay({ code, stderr }) {
  return code === 0 ? undefined : /Could not get lock .*/.exec(stderr)?.[0];
}

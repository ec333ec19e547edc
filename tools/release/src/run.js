/** Programs of the rehearsal: each can be stopped through a signal, and fails with its own words. */
import { runProgram } from "@vfio/set-up/run-program.js";

/** What npm, Nx and Vitest tell their children; a program that is tried out must not be told. */
const TOLD = /^(npm_|NX_|VITEST|NODE_OPTIONS$|NODE_ENV$|FORCE_COLOR$)/i;

/**
 * This process's environment as somebody has it who has just opened a terminal.
 * @param {Record<string, string | undefined>} [more]
 * @returns {NodeJS.ProcessEnv}
 */
export function freshEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !TOLD.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

/** For who never stops it. */
const NEVER = new AbortController().signal;

/**
 * Runs a program to its end, or until it is stopped: then it and all that it has started end first.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal }} options
 * @returns {Promise<string>} its standard output.
 * @throws {Error} with what it wrote, if its exit code is not 0; the signal's reason, if that was raised.
 */
export async function run(command, args, { cwd, env = freshEnvironment(), signal = NEVER }) {
  signal.throwIfAborted();
  const failed = (/** @type {string} */ why, /** @type {unknown} */ cause) =>
    new Error(`${[command, ...args].join(" ")} failed: ${why}`, { cause });
  // In a group of its own, which can be ended as a whole: npm and Nx have children, and these have more.
  const { exitCode, stdout, stderr } = await runProgram(command, args, {
    cwd,
    env,
    signal,
    stdio: ["ignore", "pipe", "pipe"],
    alone: true,
  }).catch((error) => Promise.reject(failed(error.message, error)));
  signal.throwIfAborted();
  if (exitCode === 0) return stdout;
  throw failed(`${stderr}\n${stdout}`.trim() || `exit code ${exitCode}`, undefined);
}

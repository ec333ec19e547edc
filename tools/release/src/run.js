/** Programs of the rehearsal: a signal can stop each, and it fails with its own output. */
import { runProgram } from "@vfio/set-up/run-program.js";

/** Variables of npm, Nx and Vitest for their children; a program under test must not have them. */
const TOLD = /^(npm_|NX_|VITEST|NODE_OPTIONS$|NODE_ENV$|FORCE_COLOR$)/i;

/**
 * This process's environment, as in a new terminal.
 * @param {Record<string, string | undefined>} [more]
 * @returns {NodeJS.ProcessEnv}
 */
export function freshEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !TOLD.test(name));
  return { ...Object.fromEntries(kept), ...more };
}

/** The default: never aborted. */
const NEVER = new AbortController().signal;

/**
 * Runs a program to its end, or until it is stopped, with everything that it has started.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal }} options
 * @returns {Promise<string>} its standard output.
 * @throws {Error} with its output, if its exit code is not 0; the signal's reason when aborted.
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

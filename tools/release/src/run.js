/** Programs of the rehearsal: each can be stopped through a signal, and fails with its own words. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

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

/**
 * Runs a program to its end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal }} options
 * @returns {Promise<string>} its standard output.
 * @throws {Error} with what it wrote, if its exit code is not 0; the signal's reason, if that was raised.
 */
export async function run(command, args, { cwd, env = freshEnvironment(), signal }) {
  try {
    const { stdout } = await execute(command, args, { cwd, env, signal, maxBuffer: 1 << 28 });
    return stdout;
  } catch (error) {
    signal?.throwIfAborted();
    const {
      stdout = "",
      stderr = "",
      message,
    } = /** @type {Error & { stdout?: string, stderr?: string }} */ (error);
    const said = `${stderr}\n${stdout}`.trim();
    throw new Error(`${[command, ...args].join(" ")} failed: ${said === "" ? message : said}`, {
      cause: error,
    });
  }
}

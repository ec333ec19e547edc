/** Programs of the rehearsal: each can be stopped through a signal, and fails with its own words. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { clearTimeout, setTimeout } from "node:timers";

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

/** Between asking a stopped program to end and ending it, in milliseconds. */
const GRACE_MS = 2000;

/**
 * Runs a program to its end, or until it is stopped: then it and all that it has started end first.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal }} options
 * @returns {Promise<string>} its standard output.
 * @throws {Error} with what it wrote, if its exit code is not 0; the signal's reason, if that was raised.
 */
export async function run(command, args, { cwd, env = freshEnvironment(), signal }) {
  signal?.throwIfAborted();
  // In a group of its own, which can be ended as a whole: npm and Nx have children, and these have more.
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const stopping = stopOnAbort(child, signal);
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (said.stderr += text));
  try {
    const [code] = await once(child, "close");
    signal?.throwIfAborted();
    if (code === 0) return said.stdout;
    throw new Error(`${`${said.stderr}\n${said.stdout}`.trim() || `exit code ${code}`}`);
  } catch (error) {
    signal?.throwIfAborted();
    const { message } = /** @type {Error} */ (error);
    throw new Error(`${[command, ...args].join(" ")} failed: ${message}`, { cause: error });
  } finally {
    stopping[Symbol.dispose]();
  }
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {AbortSignal} [signal]
 */
function stopOnAbort(child, signal) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const stop = () => {
    killGroup(child, "SIGTERM");
    timer = setTimeout(() => killGroup(child, "SIGKILL"), GRACE_MS);
  };
  signal?.addEventListener("abort", stop, { once: true });
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
    },
  };
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} name
 */
function killGroup({ pid }, name) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

/** Programs that a command starts. Nothing here may import an npm package: set-up runs before any is installed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants as access } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { clearTimeout, setTimeout } from "node:timers";

/**
 * @typedef {"SIGINT" | "SIGTERM" | "SIGHUP"} EndingSignal
 * @typedef {{ exitCode: number, stdout: string, stderr: string, endedBy: EndingSignal | undefined }} Ended what it
 * wrote,
 * if that was collected; the signal that came meanwhile.
 * @typedef {{ code: number, stdout: string, stderr: string }} ProgramResult
 * @typedef {{ cwd?: string, env?: Readonly<Record<string, string>>, signal?: AbortSignal | undefined }} RunOptions
 * @typedef {object} Options
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {import("node:child_process").StdioOptions} [stdio]
 * @property {boolean} [alone] in a group of its own, so that a signal reaches all that it has started. Without it, it
 * keeps the terminal.
 * @property {AbortSignal} [signal] ends it. Without one, this process's signals are passed on.
 */

const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** From passing a signal on to killing what is left. The lab needs some seconds on a busy machine. */
const GRACE_MS = 15_000;
/** As {@link GRACE_MS}, after an AbortSignal. */
const ABORT_GRACE_MS = 2000;

/** A shell's exit code for the end by a signal. @param {NodeJS.Signals} signal */
export function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

/** The signal in people's words. @param {EndingSignal} signal */
export function endedBy(signal) {
  return `ended by ${signal === "SIGINT" ? "Ctrl-C" : signal}`;
}

/**
 * Runs a program to its end. Passes signals on and still waits, so that the program can clean up.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Options} [options]
 * @returns {Promise<Ended>}
 * @throws {Error} if it cannot be started.
 */
export async function runProgram(
  command,
  args,
  { cwd, env = process.env, stdio = "inherit", alone = false, signal } = {},
) {
  const child = spawn(command, args, { cwd, env, stdio, detached: alone });
  const received = signalsOn(child, alone, signal);
  const said = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text) => (said.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text) => (said.stderr += text));
  try {
    const [code, endedWith] = await once(child, "close");
    return { exitCode: code ?? exitCodeOf(endedWith), ...said, endedBy: received.first() };
  } finally {
    received[Symbol.dispose]();
  }
}

/** The default: never aborted. */
const NEVER = new AbortController().signal;

/**
 * Runs a program to its end, with English output on any machine.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {RunOptions} [options] `env` is added to this process's.
 * @returns {Promise<ProgramResult>} the exit code is a result, not an error.
 * @throws {Error} if it cannot be started; the signal's reason when aborted.
 */
export async function runToEnd(program, args, { cwd, env, signal = NEVER } = {}) {
  signal.throwIfAborted();
  const { exitCode, stdout, stderr } = await runProgram(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env, LC_ALL: "C" },
    signal,
    stdio: ["ignore", "pipe", "pipe"],
  });
  signal.throwIfAborted();
  return { code: exitCode, stdout, stderr };
}

/** Has depmod and modprobe, and is not in everybody's PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/**
 * @param {string} name
 * @param {readonly string[]} [more] to search after PATH.
 * @returns {string | undefined} the program's full path.
 */
export function findProgram(name, more = MORE_FOLDERS) {
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), ...more];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, access.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Passes each signal on once: npm repeats what the terminal has sent to all processes.
 * @param {import("node:child_process").ChildProcess} child
 * @param {boolean} alone
 * @param {AbortSignal} [abort]
 */
function signalsOn(child, alone, abort) {
  /** @type {EndingSignal[]} */
  const received = [];
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const graceMs = abort === undefined ? GRACE_MS : ABORT_GRACE_MS;
  const pass = (/** @type {EndingSignal} */ signal) => {
    if (received.includes(signal)) return;
    received.push(signal);
    kill(child, alone, signal);
    timer ??= setTimeout(() => kill(child, alone, "SIGKILL"), graceMs);
  };
  const stop = () => pass("SIGTERM");
  abort?.addEventListener("abort", stop, { once: true });
  if (abort === undefined) for (const signal of SIGNALS) process.on(signal, pass);
  return {
    first: () => received[0],
    [Symbol.dispose]() {
      clearTimeout(timer);
      abort?.removeEventListener("abort", stop);
      for (const signal of SIGNALS) process.off(signal, pass);
      // Anything that it left behind.
      if (alone && received.length > 0) kill(child, alone, "SIGKILL");
    },
  };
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {boolean} alone
 * @param {NodeJS.Signals} signal
 */
function kill({ pid }, alone, signal) {
  if (pid === undefined) return;
  try {
    process.kill(alone ? -pid : pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

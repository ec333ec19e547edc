/** Programs that a command starts. Nothing here may import an npm package: set-up runs before any is installed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants as access } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { clearTimeout, setTimeout } from "node:timers";

/**
 * @typedef {"SIGINT" | "SIGTERM" | "SIGHUP"} EndingSignal
 * @typedef {{ exitCode: number, stdout: string, stderr: string, endedBy: EndingSignal | undefined }} Ended what it wrote,
 *   if that was collected; the signal that came meanwhile.
 * @typedef {{ code: number, stdout: string, stderr: string }} ProgramResult
 * @typedef {{ cwd?: string, env?: Readonly<Record<string, string>>, signal?: AbortSignal | undefined }} RunOptions
 * @typedef {object} Options
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {import("node:child_process").StdioOptions} [stdio]
 * @property {boolean} [alone] in a group of its own, so that a signal reaches all that it has started. Without it, it
 *   keeps the terminal.
 * @property {AbortSignal} [signal] ends it. Without one, the signals that come to this process are passed on.
 */

const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** Between passing a signal on and ending what is left, in milliseconds. The lab needs some seconds on a busy machine. */
const GRACE_MS = 15_000;
/** The same after an AbortSignal. */
const ABORT_GRACE_MS = 2000;

/** What a shell calls the end by a signal. @param {NodeJS.Signals} signal */
export function exitCodeOf(signal) {
  return 128 + constants.signals[signal];
}

/** How a person calls the signal. @param {EndingSignal} signal */
export function endedBy(signal) {
  return `ended by ${signal === "SIGINT" ? "Ctrl-C" : signal}`;
}

/**
 * Runs a program until it has ended. A signal that comes meanwhile is passed on, and this waits all the same: what the
 * program has to give back, it gives back.
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

/** For who never stops it. */
const NEVER = new AbortController().signal;

/**
 * Runs a program to its end. What it says is English, whatever this machine's language.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {RunOptions} [options] `env` is added to this process's.
 * @returns {Promise<ProgramResult>} its exit code is a result, not an error.
 * @throws {Error} if it cannot be started; the signal's reason, if that was raised.
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

/** Where depmod and modprobe live, which is not in everybody's PATH. */
const MORE_FOLDERS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/**
 * @param {string} name
 * @param {readonly string[]} [more] where to look after the folders of PATH.
 * @returns {string | undefined} the full path of a program.
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
 * Passes each signal on, once: npm passes on what the terminal has sent to all of us.
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
      // Whatever it had started and left behind.
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

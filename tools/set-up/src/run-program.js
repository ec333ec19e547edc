/** Programs that a command starts. Nothing here may import an npm package: set-up runs before any is installed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { clearTimeout, setTimeout } from "node:timers";

/**
 * @typedef {"SIGINT" | "SIGTERM" | "SIGHUP"} EndingSignal
 * @typedef {{ exitCode: number, output: string, endedBy: EndingSignal | undefined }} Ended what it wrote, if that was collected; the
 *   signal that came meanwhile.
 * @typedef {{ cwd?: string, env?: NodeJS.ProcessEnv, stdio?: import("node:child_process").StdioOptions, alone?: boolean }} Options
 */

const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** Between passing a signal on and ending what is left, in milliseconds. The lab needs some seconds on a busy machine. */
const GRACE_MS = 15_000;

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
 * @param {Options} [options] `alone`: in a group of its own, so that a signal reaches all that it has started. Without
 *   it, it keeps the terminal.
 * @returns {Promise<Ended>}
 * @throws {Error} if it cannot be started.
 */
export async function runProgram(command, args, { cwd, env, stdio = "inherit", alone = false } = {}) {
  const child = spawn(command, args, { cwd, env: env ?? process.env, stdio, detached: alone });
  const passing = passSignalsOn(child, alone);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text) => (output += text));
  try {
    const [code, signal] = await once(child, "close");
    return { exitCode: code ?? exitCodeOf(signal), output, endedBy: passing.first() };
  } finally {
    passing[Symbol.dispose]();
  }
}

/**
 * Each signal once: npm passes on what the terminal has sent to all of us.
 * @param {import("node:child_process").ChildProcess} child
 * @param {boolean} alone
 */
function passSignalsOn(child, alone) {
  /** @type {EndingSignal[]} */
  const received = [];
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const pass = (/** @type {EndingSignal} */ signal) => {
    if (received.includes(signal)) return;
    received.push(signal);
    kill(child, alone, signal);
    timer ??= setTimeout(() => kill(child, alone, "SIGKILL"), GRACE_MS);
  };
  for (const signal of SIGNALS) process.on(signal, pass);
  return {
    first: () => received[0],
    [Symbol.dispose]() {
      clearTimeout(timer);
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

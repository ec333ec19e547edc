/**
 * Whether a package's tests notice a change: the package is built and tested anew, in a copy of the repository. What was
 * changed may loop, or take memory for ever; so each run has limits of both.
 *
 * @typedef {"noticed" | "survived" | "timed out"} Outcome
 * @typedef {{ limitMs: number, signal: AbortSignal }} Limits
 */
import path from "node:path";
import { freshEnvironment, run } from "@vfio/release/run";

/** What one process may take as private memory. A worker of Vitest that runs our tests needs some 200 MiB. */
const MEMORY_BYTES = 2 * 2 ** 30;

/** If the machine runs short all the same, the kernel is to end these processes before any other. */
const WITH_LIMITS = ["-n", "1000", "--", "prlimit", `--data=${MEMORY_BYTES}`, "--core=0"];

/**
 * Builds and tests a package, or only what has to do with a file of it.
 * @param {string} folder the package's.
 * @param {string | undefined} file only the tests that import it, directly or not; all tests by default.
 * @param {Limits} limits
 * @returns {Promise<Outcome>} "survived" if all went well.
 * @throws the signal's reason, if it was raised.
 */
export async function tested(folder, file, limits) {
  const bin = path.resolve(folder, "../../node_modules/.bin");
  // Some tests start programs, which take what was built.
  const build = [path.join(bin, "tsup"), "--config", "../../tsup.config.ts", "--no-dts", "--silent"];
  const chosen = file === undefined ? ["run"] : ["related", "--run", file];
  const test = [path.join(bin, "vitest"), ...chosen, "--bail=1", "--reporter=dot"];
  for (const command of [build, test]) {
    const outcome = await attempt(command, folder, limits);
    if (outcome !== "survived") return outcome;
  }
  return "survived";
}

/**
 * Runs a command to its end, or to the end of its time.
 * @param {readonly string[]} command
 * @param {string} cwd
 * @param {Limits} limits
 * @returns {Promise<Outcome>} "survived" if its exit code is 0.
 */
export async function attempt(command, cwd, { limitMs, signal }) {
  const time = AbortSignal.timeout(limitMs);
  try {
    const env = freshEnvironment({ NO_COLOR: "1" });
    await run("choom", [...WITH_LIMITS, ...command], { cwd, env, signal: AbortSignal.any([signal, time]) });
    return "survived";
  } catch {
    signal.throwIfAborted();
    return time.aborted ? "timed out" : "noticed";
  }
}

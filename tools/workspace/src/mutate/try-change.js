/**
 * Whether a package's tests notice a change: builds and tests the package in a copy of the repository. Changed code may
 * loop, or take memory for ever, so each run has limits of both.
 *
 * @typedef {"noticed" | "survived" | "timed out"} Outcome
 * @typedef {{ limitMs: number, signal: AbortSignal }} Limits
 * @typedef {{ ms: number, without: readonly string[] }} Part of a package's tests: how long its files take, one after
 * the other, and which files it leaves out.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { freshEnvironment, run } from "@vfio/release/run";

/** One process's private memory. A worker of Vitest with our tests needs some 200 MiB. */
const MEMORY_BYTES = 2 * 2 ** 30;

/** If the machine still runs short, the kernel is to end these processes first. */
const WITH_LIMITS = ["-n", "1000", "--", "prlimit", `--data=${MEMORY_BYTES}`, "--core=0"];

/** Test files that take longer, and more than a tenth of all, run only if the others notice nothing. */
const SLOW_MS = 5_000;
const SLOW_SHARE = 0.1;
/**
 * A changed package's tests may take this many times as long as the unchanged one's, and some more: others work here
 * too.
 */
const PATIENCE = 3;
const MORE_MS = 20_000;

/**
 * Builds a package as it is, and runs all its tests.
 * @param {string} folder the package's.
 * @param {Limits} limits
 * @returns {Promise<Part[] | undefined>} the quick test files and the slow ones; `undefined` if a test fails.
 */
export async function testedUnchanged(folder, limits) {
  const report = path.join(folder, "durations.json");
  const json = ["--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
  for (const command of [buildOf(folder), [bin(folder, "vitest"), "run", ...json]])
    if ((await attempt(command, folder, limits)) !== "survived") return undefined;
  return partsOf(folder, JSON.parse(readFileSync(report, "utf8")));
}

/**
 * @param {string} folder
 * @param {{ testResults: { name: string, startTime: number, endTime: number }[] }} report as Vitest writes it.
 * @returns {Part[]}
 */
export function partsOf(folder, { testResults }) {
  const all = testResults.map(({ name, startTime, endTime }) => ({
    file: path.relative(folder, name),
    ms: endTime - startTime,
  }));
  const slowMs = Math.max(SLOW_MS, SLOW_SHARE * sumOf(all));
  const isSlow = (/** @type {{ ms: number }} */ { ms }) => ms > slowMs;
  return [all.filter((each) => !isSlow(each)), all.filter(isSlow)]
    .filter((part) => part.length > 0)
    .map((part) => ({
      ms: sumOf(part),
      without: all.filter((each) => !part.includes(each)).map(({ file }) => file),
    }));
}

function sumOf(files) {
  return files.reduce((sum, { ms }) => sum + ms, 0);
}

/**
 * Builds a changed package, and runs the tests that import the changed file, directly or not.
 * @param {string} folder the package's.
 * @param {string} file
 * @param {readonly Part[]} parts of its tests: each runs only if the former ones notice nothing.
 * @param {AbortSignal} signal
 * @returns {Promise<Outcome>} "survived" if all passed.
 * @throws the signal's reason when aborted.
 */
export async function tested(folder, file, parts, signal) {
  const built = await attempt(buildOf(folder), folder, { limitMs: limitOf(0), signal });
  if (built !== "survived") return built;
  for (const { ms, without } of parts) {
    const related = ["related", "--run", file, "--bail=1", "--reporter=dot", "--passWithNoTests"];
    const command = [bin(folder, "vitest"), ...related, ...without.map((each) => `--exclude=${each}`)];
    const outcome = await attempt(command, folder, { limitMs: limitOf(ms), signal });
    if (outcome !== "survived") return outcome;
  }
  return "survived";
}

function limitOf(ms) {
  return Math.ceil(PATIENCE * ms + MORE_MS);
}

/**
 * Builds a package with all its entry points. Some tests start programs, which use the build; some look at its types,
 * which stay as they were built.
 * @param {string} folder the package's.
 * @returns {string[]}
 */
export function buildOf(folder) {
  const { scripts } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const [program, ...args] = scripts.build.split(" ");
  return [bin(folder, program), ...args, "--no-dts", "--no-clean", "--silent"];
}

function bin(folder, program) {
  return path.resolve(folder, "../../node_modules/.bin", program);
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

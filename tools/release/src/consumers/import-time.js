import { spawnSync } from "node:child_process";

const PAIRS = 15;

/** Prints, at the end of a process, its processor time and run time. */
const STOPWATCH = `process.once("exit", () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify({ processor: (user + system) / 1000, clock: performance.now() }));
});`;

/** @typedef {{ processor: number, clock: number }} Times in milliseconds */

/**
 * The time that importing a package adds to an empty start of Node.js: the median over pairs, as the machine's speed
 * drifts. Where other programs run too, trust the processor's time.
 * @param {string} name of the package.
 * @param {string} cwd a folder with the package installed.
 * @returns {Times}
 */
export function importTime(name, cwd) {
  const pairs = Array.from({ length: PAIRS }, () => {
    return { loaded: start(`import "${name}";`, cwd), empty: start("", cwd) };
  });
  const added = (/** @type {keyof Times} */ kind) =>
    median(pairs.map(({ loaded, empty }) => loaded[kind] - empty[kind]));
  return { processor: added("processor"), clock: added("clock") };
}

/** @param {string} program @param {string} cwd @returns {Times} */
function start(program, cwd) {
  const args = ["--input-type=module", "-e", `${program}\n${STOPWATCH}`];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** @param {number[]} numbers */
function median(numbers) {
  return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** Benchmarks in pairs, ours and a C program's, since these machines' speed drifts. The median of the ratios counts. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const ROUNDS = 7;
/** Uncounted rounds, in which the JavaScript is compiled: a driver runs for hours. */
const WARM_UPS = 4;
const CLOCK_LOOKS = 51;

/**
 * @typedef {object} BenchRow
 * @property {string} what
 * @property {string} unit
 * @property {number} ours median of ours
 * @property {number} [c] median of C's; left out where only ours is measured
 * @property {number} [ratio] median of ours divided by C's, pair by pair
 * @property {number | undefined} [goal] the highest ratio that is good enough; without C, the highest value
 */

/**
 * The median time of many events in nanoseconds, which ignores the few disturbed ones. `event` is timed from its call
 * until its result is there; `before` and `after` are not timed.
 * @param {number} count
 * @param {{ before?: () => void, event: () => unknown, after?: () => void }} steps
 */
export async function medianNanoseconds(count, { before, event, after }) {
  const clock = clockNanoseconds();
  const times = [];
  for (let index = 0; index < count; index++) {
    before?.();
    const started = process.hrtime.bigint();
    const result = event();
    if (result instanceof Promise) await result;
    times.push(Number(process.hrtime.bigint() - started));
    after?.();
  }
  return median(times) - clock;
}

/** The clock's own cost: more than a microsecond in an emulated machine. C subtracts its own, too. */
function clockNanoseconds() {
  const times = [];
  for (let index = 0; index < CLOCK_LOOKS; index++) {
    const started = process.hrtime.bigint();
    times.push(Number(process.hrtime.bigint() - started));
  }
  return median(times);
}

/** @param {number} nanoseconds */
export function pauseBusily(nanoseconds) {
  const end = process.hrtime.bigint() + BigInt(nanoseconds);
  while (process.hrtime.bigint() < end);
}

/**
 * Measures both sides in pairs, and prints the row as JSON.
 * @param {{ what: string, unit: string, goal?: number, ours: () => number, c: () => number, rounds?: number }}
 * benchmark
 */
export function comparePairs({ what, unit, goal, ours, c, rounds = ROUNDS }) {
  for (let round = 0; round < WARM_UPS; round++) ours();
  const pairs = Array.from({ length: rounds }, () => ({ ours: ours(), c: c() }));
  print(compared({ what, unit, goal }, pairs));
}

/**
 * As {@link comparePairs}, where ours goes through the event loop.
 * @param {{ what: string, unit: string, goal?: number, ours: () => Promise<number>, c: () => number | Promise<number>, rounds?: number }} benchmark
 */
export async function compareAsyncPairs({ what, unit, goal, ours, c, rounds = ROUNDS }) {
  for (let round = 0; round < WARM_UPS; round++) await ours();
  const pairs = [];
  for (let round = 0; round < rounds; round++) pairs.push({ ours: await ours(), c: await c() });
  print(compared({ what, unit, goal }, pairs));
}

/**
 * @param {{ what: string, unit: string, goal?: number | undefined }} benchmark
 * @param {readonly { ours: number, c: number }[]} pairs
 * @returns {BenchRow}
 */
function compared({ what, unit, goal }, pairs) {
  return {
    what,
    unit,
    ours: median(pairs.map((pair) => pair.ours)),
    c: median(pairs.map((pair) => pair.c)),
    ratio: median(pairs.map((pair) => pair.ours / pair.c)),
    ...(goal === undefined ? {} : { goal }),
  };
}

/**
 * Measures something without a counterpart in C.
 * @param {{ what: string, unit: string, goal?: number, ours: () => number, rounds?: number }} benchmark
 */
export function measure({ what, unit, goal, ours, rounds = ROUNDS }) {
  for (let round = 0; round < WARM_UPS; round++) ours();
  print({ what, unit, ours: median(Array.from({ length: rounds }, ours)), goal });
}

/**
 * @param {number} count
 * @param {(index: number) => unknown} call
 */
export function nanosecondsPerCall(count, call) {
  const started = process.hrtime.bigint();
  for (let index = 0; index < count; index++) call(index);
  return Number(process.hrtime.bigint() - started) / count;
}

/**
 * As {@link nanosecondsPerCall}, for work cheaper than a call: the measured function has the loop.
 * @param {number} count
 * @param {(count: number) => unknown} loop
 */
export function nanosecondsPerTurn(count, loop) {
  const started = process.hrtime.bigint();
  loop(count);
  return Number(process.hrtime.bigint() - started) / count;
}

/**
 * The growth of the JavaScript heap by many calls, in bytes: garbage shows, since a collection is an error. The least
 * of three runs: a call's garbage is there every time, V8's own work, such as compiling, is not. Needs
 * {@link heapFlags}.
 * @param {number} count
 * @param {(index: number) => unknown} call
 */
export function heapGrowth(count, call) {
  return heapGrowthOfLoop(count, (turns) => {
    for (let index = 0; index < turns; index++) call(index);
  });
}

/**
 * As {@link heapGrowth}, but the measured function has the loop: code that V8 inlines there may allocate less.
 * @param {number} count
 * @param {(count: number) => unknown} loop
 */
export function heapGrowthOfLoop(count, loop) {
  proveThatGarbageShows();
  // Compiled before the heap is measured, since code and feedback lie there too.
  for (let go = 0; go < 20; go++) loop(100_000);
  return Math.min(...[1, 2, 3].map(() => heapGrowthOnce(count, loop)));
}

/** Flags of node for {@link heapGrowth}: room for the garbage of all calls. */
export const heapFlags = ["--expose-gc", "--min-semi-space-size=256", "--max-semi-space-size=256"];

const SAMPLES = 20;

/**
 * @param {number} count
 * @param {(count: number) => unknown} loop
 */
function heapGrowthOnce(count, loop) {
  if (globalThis.gc === undefined) throw new Error(`heapGrowth needs node ${heapFlags.join(" ")}`);
  globalThis.gc();
  const before = process.memoryUsage().heapUsed;
  let used = before;
  for (let sample = 0; sample < SAMPLES; sample++) {
    loop(count / SAMPLES);
    const now = process.memoryUsage().heapUsed;
    if (now < used) throw new Error(`a collection hid garbage: start node with ${heapFlags.join(" ")}`);
    used = now;
  }
  return used - before;
}

let garbageShows = false;

/** Four megabytes of known garbage: a heap with a small young generation would collect it. */
function proveThatGarbageShows() {
  if (garbageShows) return;
  const count = 200_000;
  const latest = [{ index: 0 }];
  const growth = heapGrowthOnce(count, (turns) => {
    for (let index = 0; index < turns; index++) latest[0] = { index };
  });
  if (growth < 16 * count) throw new Error(`garbage does not show: start node with ${heapFlags.join(" ")}`);
  garbageShows = true;
}

/**
 * Runs a compiled C program of a bench folder, which prints one number.
 * @param {string} folder
 * @param {string} name
 * @param {...(string | number)} args
 */
export function runC(folder, name, ...args) {
  return Number(execFileSync(path.join(folder, "build", name), args.map(String), { encoding: "utf8" }));
}

/**
 * A compiled C program that prints one number for each line that it reads: for measurements that starting and ending a
 * process, which keeps the kernel busy, would disturb.
 * @param {string} folder
 * @param {string} name
 * @param {readonly (string | number)[]} args
 * @param {readonly number[]} fds to inherit, from fd 3 on
 */
export function startC(folder, name, args, fds = []) {
  const program = spawn(path.join(folder, "build", name), args.map(String), {
    stdio: ["pipe", "pipe", "inherit", ...fds],
  });
  const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (program.stdout) });
  const answers = lines[Symbol.asyncIterator]();
  const ended = once(program, "close");
  return {
    async measure() {
      program.stdin?.write("\n");
      const answer = await answers.next();
      if (answer.done === true) throw new Error(`${name} ended before it had measured`);
      return Number(answer.value);
    },
    async stop() {
      program.stdin?.end();
      await ended;
    },
  };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** @param {BenchRow} row */
function print(row) {
  process.stdout.write(`${JSON.stringify(row)}\n`);
}

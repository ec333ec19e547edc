/**
 * The part of docs/benchmarks.md that comes from a run of the benchmarks. The rest is written by hand.
 *
 * @typedef {import("@vfio/test-support/benchmark").BenchRow & { package: string, place: Place }} PlacedRow
 * @typedef {{ name: "host" | "lab", kernel: string, emulated: boolean }} Place where a row was measured.
 * @typedef {{ processor: string, processors: number, memoryGiB: number, node: string, date: string }} Machine
 * @typedef {{ machine: Machine, rows: readonly PlacedRow[] }} BenchReport the contents of .results/bench.json.
 */

const RESULTS = /<!-- results -->\n[^]*<!-- end of results -->\n/;

/**
 * The page with new results.
 * @param {string} page
 * @param {BenchReport} report
 * @returns {string}
 * @throws {Error} if the page has no place for them.
 */
export function withResults(page, report) {
  if (!RESULTS.test(page)) throw new Error("the page has no <!-- results --> to put the results in");
  const results = resultsOf(report);
  return page.replace(
    RESULTS,
    () =>
      `<!-- results -->\n<!-- prettier-ignore-start -->\n\n${results}\n\n<!-- prettier-ignore-end -->\n<!-- end of results -->\n`,
  );
}

/**
 * The plots' contents, by file name without its ending.
 * @param {readonly PlacedRow[]} rows
 * @returns {Record<string, { title: string, axis: string, bars: import("./plots.js").Bar[] }>}
 */
export function plotsOf(rows) {
  const ratios = rows.flatMap(({ what, ratio, goal }) =>
    ratio === undefined ? [] : [{ label: what, value: ratio, goal }],
  );
  const alone = rows.flatMap(({ what, ours, ratio, goal }) =>
    ratio !== undefined || goal === undefined ? [] : [{ label: what, value: ours / goal, goal: 1 }],
  );
  return {
    ratios: { title: "Ours, in times of C", axis: "1 is as fast as C; the stroke is the goal", bars: ratios },
    goals: {
      title: "What has no counterpart in C",
      axis: "as a share of the goal, which is the stroke at 1",
      bars: alone,
    },
  };
}

/** @param {import("@vfio/test-support/benchmark").BenchRow} row */
export function missesGoal({ ours, ratio, goal }) {
  return goal !== undefined && (ratio ?? ours) > goal;
}

function resultsOf({ machine, rows }) {
  const packages = [...new Set(rows.map((row) => row.package))].sort();
  return [
    "## The machine",
    machineOf(machine, rows),
    "## Beside C",
    "![Bars of the ratios, each with its goal](benchmarks/ratios.svg)",
    "## Alone",
    "![Bars of what was measured as shares of the goals](benchmarks/goals.svg)",
    "## All figures",
    ...packages.flatMap((name) => [`### @vfio/${name}`, tableOf(rows.filter((row) => row.package === name))]),
  ].join("\n\n");
}

function machineOf({ processor, processors, memoryGiB, node, date }, rows) {
  const places = new Map(rows.map(({ place }) => [place.name, place]));
  return [
    `| What | |`,
    `| --- | --- |`,
    `| Processor | ${processor}, ${processors} cores, ${memoryGiB} GiB of memory |`,
    ...[...places.values()].map((place) => `| Kernel, ${place.name} | ${kernelOf(place)} |`),
    `| Node.js | ${node} |`,
    `| Measured on | ${date} |`,
  ].join("\n");
}

function kernelOf({ kernel, emulated }) {
  return emulated ? `Linux ${kernel}, **on an emulated processor** (QEMU without KVM)` : `Linux ${kernel}`;
}

function tableOf(rows) {
  const lines = rows.map((row) => `| ${[row.what, row.place.name, ...figuresOf(row)].join(" | ")} |`);
  return [
    "| What | Where | Ours | C | Ratio | Goal | |",
    "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ...lines,
  ].join("\n");
}

/** @param {import("@vfio/test-support/benchmark").BenchRow} row */
function figuresOf(row) {
  const { unit, ours, c, ratio, goal } = row;
  const limit = goal === undefined ? "" : `≤ ${ratio === undefined ? inUnit(goal, unit) : goal}`;
  const verdict = goal === undefined ? "" : missesGoal(row) ? "missed" : "met";
  return [inUnit(ours, unit), inUnit(c, unit), ratio?.toFixed(2) ?? "", limit, verdict];
}

function inUnit(value, unit) {
  if (value === undefined) return "";
  const scale = SCALES[unit]?.find(({ from }) => value >= from) ?? { from: 1, unit };
  return `${Number((value / scale.from).toPrecision(3))} ${scale.unit}`;
}

/** @type {Record<string, { from: number, unit: string }[]>} */
const SCALES = {
  ns: [
    { from: 1e9, unit: "s" },
    { from: 1e6, unit: "ms" },
    { from: 1e3, unit: "µs" },
  ],
  bytes: [
    { from: 1 << 20, unit: "MiB" },
    { from: 1 << 10, unit: "KiB" },
  ],
};

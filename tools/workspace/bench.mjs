/**
 * `npm run bench [-- --json]`: every package's benchmarks, as one table and, with the machine they ran on, as
 * .results/bench.json. `npm run bench:publish` makes the documentation's page of that file.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { bootstrap, root, stop, tool } from "../set-up/bootstrap.mjs";
import { endedBy, exitCodeOf, runProgram } from "../set-up/src/run-program.js";

await bootstrap();
const folder = path.join(root, ".results/bench");
rmSync(folder, { recursive: true, force: true });
const json = process.argv.includes("--json");
const ended = await runProgram(tool("nx"), ["run-many", "-t", "bench", "--parallel=1"], {
  cwd: root,
  stdio: ["ignore", json ? "ignore" : "inherit", "inherit"],
  alone: true,
});
if (ended.endedBy !== undefined) stop(`\n${endedBy(ended.endedBy)}`, exitCodeOf(ended.endedBy));

const rows = readdirSync(folder)
  .sort()
  .flatMap((file) => JSON.parse(readFileSync(path.join(folder, file), "utf8")));
const report = `${JSON.stringify({ machine: machine(), rows }, null, 2)}\n`;
writeFileSync(path.join(root, ".results/bench.json"), report);
process.stdout.write(json ? report : `${await table(rows)}\n`);
process.exitCode = ended.exitCode === 0 ? 0 : 1;

function machine() {
  return {
    processor: os.cpus()[0]?.model ?? "unknown",
    processors: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Imported only here: before the set-up there are no packages. */
async function table(all) {
  const { default: Table } = await import("cli-table3");
  const head = ["what", "ours", "C", "ratio", "goal", ""];
  const view = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const { what, unit, ours, c, ratio, goal } of all) {
    const good = goal === undefined || (ratio ?? ours) <= goal;
    const limit = goal === undefined ? "" : `≤ ${goal}${ratio === undefined ? ` ${unit}` : " × C"}`;
    view.push([what, number(ours, unit), number(c, unit), number(ratio), limit, good ? "" : "missed"]);
  }
  return view.toString();
}

function number(value, unit = "") {
  return value === undefined || value === null ? "" : `${value.toPrecision(3)} ${unit}`.trim();
}

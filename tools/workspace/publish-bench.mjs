/**
 * `npm run bench:publish`: the last run of the benchmarks becomes the documentation's page: its table in
 * docs/benchmarks.md, its figures and plots in docs/benchmarks.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { bootstrap, root, stop } from "../set-up/bootstrap.mjs";

const source = path.join(root, ".results/bench.json");
if (!existsSync(source)) stop("There are no results yet. Type: npm run bench");
await bootstrap();
const { plotsOf, withResults } = await import("./src/bench/benchmark-page.js");
const { drawBars } = await import("./src/bench/plots.js");

const page = path.join(root, "docs/benchmarks.md");
const folder = path.join(root, "docs/benchmarks");
const text = readFileSync(source, "utf8");
const report = JSON.parse(text);

mkdirSync(folder, { recursive: true });
writeFileSync(path.join(folder, "results.json"), text);
for (const [name, plot] of Object.entries(plotsOf(report.rows)))
  writeFileSync(path.join(folder, `${name}.svg`), drawBars(plot));
writeFileSync(page, withResults(readFileSync(page, "utf8"), report));
process.stdout.write(`${report.rows.length} results are in ${page}\n`);

/**
 * `npm test`: set-up; lint, types and tests of every project; then the tests that need a real VFIO kernel, in the
 * lab. Ends with one line that sums up everything that ran.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { bootstrap, root, tool } from "./bootstrap.mjs";
import { readResults, sum } from "./src/results.js";

const results = path.join(root, ".results");
const projects = ["ioctl-native", "vfio-core", "dma", "pci-bar", "mp-sync", "examples", "lab", "workspace"];

bootstrap();
// What an earlier run wrote must not pass for this one's; Nx puts back the reports of what it need not run again.
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });

const checks = [
  run("lint", tool("nx"), ["run-many", "-t", "lint"]),
  run("typecheck", tool("nx"), ["run-many", "-t", "typecheck"]),
];
run("tests on this host", tool("nx"), ["run-many", "-t", "test"]);
run("tests in the lab", process.execPath, [path.join(root, "tools/workspace/test-lab.mjs")]);

const host = projects.map((name) => readResults(name, path.join(results, `${name}.json`)));
const lab = [
  readResults("all packages, in the lab", path.join(results, "in-lab.json")),
  readResults("the lab with 48 bits", path.join(results, "in-lab-48.json")),
];
const rows = [...checks, ...host, ...lab];
const total = sum(rows);
const inLab = sum(lab).passed + sum(lab).failed;

process.stdout.write("\n");
for (const row of rows) {
  process.stdout.write(
    `${row.name.padEnd(28)} ${row.passed} passed, ${row.failed} failed, ${row.skipped} skipped\n`,
  );
}
process.stdout.write(
  `${total.passed + total.failed} ran, ${inLab} of them in the lab on a real VFIO kernel\n\n`,
);
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

function run(name, command, args) {
  process.stdout.write(`\n=== ${name}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  return { name, passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

/**
 * Runs the tests in `test/lab` folders inside the lab: of every package, or only of the folders named
 * (`node tools/workspace/test-lab.mjs packages/dma`). All of them in one boot; then, on a machine whose IOMMU has 48
 * bits and that has two NUMA nodes, those that look at the IOMMU's width once more and those that need two nodes.
 */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { root } from "../set-up/bootstrap.mjs";
import { runProgram } from "../set-up/src/run-program.js";

const results = path.join(root, ".results");
mkdirSync(results, { recursive: true });
const wanted = process.argv.slice(2);
const everyWidth = ["packages/examples/test/lab/dma-matrix.test.ts"];
const twoNodes = ["packages/dma/test/lab/numa.test.ts"];
const isWanted = (file) => wanted.length === 0 || wanted.some((folder) => file.startsWith(folder));
const without = twoNodes.flatMap((file) => ["--exclude", file]);
const runs = [{ name: "in-lab", bits: 39, nodes: 1, files: [...wanted, ...without] }];
const again = [...everyWidth, ...twoNodes].filter(isWanted);
if (again.length > 0) runs.push({ name: "in-lab-48", bits: 48, nodes: 2, files: again });

// DPDK is the peer of one of the examples, and strace lets the system calls of another fail.
const extras = wanted.length === 0 || wanted.some((file) => file.startsWith("packages/examples"));

const exitCodes = [];
for (const run of runs) {
  const { exitCode, endedBy } = await boot(run);
  exitCodes.push(exitCode);
  if (endedBy !== undefined) break;
}
process.exitCode = Math.max(...exitCodes);

function boot({ name, bits, nodes, files }) {
  const passedOn = `FC_SEED=${process.env.FC_SEED ?? ""}`;
  const variables = [`LAB_IOMMU_BITS=${bits}`, `LAB_RESULTS=${name}.json`, passedOn].flatMap((each) => [
    "-e",
    each,
  ]);
  const machine = ["--iommu-bits", String(bits), "--numa-nodes", String(nodes), "--hugepages-1g", "1"];
  const vitest = [
    path.join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--config",
    "vitest.lab.config.ts",
    ...files,
  ];
  const lab = [
    path.join(root, "tools/lab/dist/cli.js"),
    "--output",
    results,
    "--timeout",
    "2700",
    ...machine,
    ...(extras ? ["--with", "dpdk", "strace"] : []),
    ...variables,
  ];
  return runProgram(process.execPath, [...lab, "--", process.execPath, ...vitest], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}

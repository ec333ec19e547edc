/**
 * Runs the tests in `test/lab` folders inside the lab, all in one boot: of every package, or only of the folders
 * named (`node tools/workspace/test-lab.mjs packages/dma`).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { root } from "./bootstrap.mjs";

const results = path.join(root, ".results");
mkdirSync(results, { recursive: true });
const vitest = path.join(root, "node_modules/vitest/vitest.mjs");
const { status } = spawnSync(
  process.execPath,
  [
    ...[path.join(root, "tools/lab/dist/cli.js"), "--output", results, "--timeout", "1500", "--"],
    ...[process.execPath, vitest, "run", "--config", "vitest.lab.config.ts", ...process.argv.slice(2)],
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
);
process.exitCode = status ?? 130;

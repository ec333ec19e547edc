import path from "node:path";
import { defineConfig } from "vitest/config";
import { conditions } from "./vitest.shared.js";

const results = process.env["LAB_OUTPUT"] ?? path.join(import.meta.dirname, ".results");

// What runs inside the lab's machine: one process, one file after the other, since a VFIO group opens only once.
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["packages/*/test/lab/**/*.test.ts"],
    setupFiles: ["tools/test-support/src/fixed-seed.ts"],
    pool: "forks",
    maxWorkers: 1,
    isolate: false,
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["verbose", "json"],
    outputFile: { json: path.join(results, process.env["LAB_RESULTS"] ?? "in-lab.json") },
  },
});

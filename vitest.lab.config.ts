import path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { conditions } from "./vitest.shared.js";

const results = process.env["LAB_OUTPUT"] ?? path.join(import.meta.dirname, ".results");

/** Vitest's own order is by each file's size: an edit of one would change what runs before the others. */
class ByPath extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve(files.toSorted((one, other) => (one.moduleId < other.moduleId ? -1 : 1)));
  }
}

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
    sequence: { sequencer: ByPath },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["verbose", "json"],
    outputFile: { json: path.join(results, process.env["LAB_RESULTS"] ?? "in-lab.json") },
  },
});

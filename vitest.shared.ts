import path from "node:path";
import { defineConfig } from "vitest/config";
import { assemblyScriptInTests } from "./tools/workspace/src/build/assembly-script.js";

const root = import.meta.dirname;
/** Packages are tested as their sources, not as what was built of them. */
export const conditions = ["@vfio/source", "node", "import", "default"];

/** One vitest set-up for every package; tests that need a real VFIO kernel live in `test/lab` and run in the lab. */
export function testsOf(project: string) {
  return defineConfig({
    plugins: [assemblyScriptInTests()],
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      include: ["test/**/*.test.ts"],
      exclude: ["test/lab/**", "**/node_modules/**"],
      testTimeout: 120_000,
      hookTimeout: 30_000,
      passWithNoTests: false,
      setupFiles: [path.join(root, "tools/test-support/src/fixed-seed.ts")],
      // Nx asks for colours even where no terminal is; tests compare what child processes print.
      env: { FORCE_COLOR: "0" },
      reporters: ["default", "json"],
      outputFile: { json: path.join(root, ".results/@vfio", `${project}.json`) },
    },
  });
}

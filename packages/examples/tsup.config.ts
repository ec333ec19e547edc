import { defineConfig } from "tsup";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/start.ts",
    "src/pipeline-main.ts",
    "src/primary-main.ts",
    "src/secondary-main.ts",
    "src/dpdk-join.ts",
    "src/dpdk-join-main.ts",
  ],
  format: ["esm"],
  target: "node20",
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
  // esbuild makes `var Container = class _Container`, and that is the name people would see.
  keepNames: true,
});

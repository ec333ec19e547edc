import { readdirSync } from "node:fs";
import path from "node:path";
import { defineConfig } from "tsup";
import { assemblyScriptInBuild } from "../../tsup.config.js";

const programs = readdirSync("src/bin").map((file) => [path.parse(file).name, `src/bin/${file}`] as const);

export default defineConfig({
  // All beside each other in dist: a program starts another one.
  entry: { index: "src/index.ts", ...Object.fromEntries(programs) },
  format: ["esm"],
  target: "node20",
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
  // esbuild makes `var Container = class _Container`, and that is the name people would see.
  keepNames: true,
  esbuildPlugins: [assemblyScriptInBuild()],
});

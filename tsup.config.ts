import { defineConfig } from "tsup";

// ESM only: Node's own require(esm) serves CommonJS users, so there is one copy of every class.
export default defineConfig({
  entry: ["src/index.ts"],
  format: ["esm"],
  target: "node20",
  dts: true,
  // No source maps: what is built reads like the sources, and they would be a tenth of the package.
  clean: true,
  // esbuild makes `var Container = class _Container`, and that is the name people would see.
  keepNames: true,
});

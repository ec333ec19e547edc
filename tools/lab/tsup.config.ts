import { defineConfig } from "tsup";

// As the shared configuration at the root, with the command line beside the library.
export default defineConfig({
  entry: ["src/index.ts", "src/cli.ts"],
  format: ["esm"],
  target: "node20",
  dts: true,
  sourcemap: true,
  clean: true,
  // esbuild makes `var Container = class _Container`, and that is the name people would see.
  keepNames: true,
});

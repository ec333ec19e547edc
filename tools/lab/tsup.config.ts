import { defineConfig } from "tsup";

// As the shared configuration at the root, with the command line beside the library.
export default defineConfig({
  entry: ["src/index.ts", "src/cli.ts"],
  format: ["esm"],
  target: "node20",
  dts: true,
  sourcemap: true,
  clean: true,
});

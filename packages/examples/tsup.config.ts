import { defineConfig } from "tsup";
import base from "../../tsup.config.js";

export default defineConfig({
  ...base,
  entry: [
    "src/index.ts",
    "src/start.ts",
    "src/pipeline-main.ts",
    "src/primary-main.ts",
    "src/secondary-main.ts",
  ],
});

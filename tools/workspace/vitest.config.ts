import { mergeConfig } from "vitest/config";
import { testsOf } from "../../vitest.shared.js";

export default mergeConfig(testsOf("workspace"), { test: { globalSetup: ["test/build-site.ts"] } });

import { mergeConfig } from "vitest/config";
import { testsOf } from "../../vitest.shared.js";

// They prepare the lab and boot it.
export default mergeConfig(testsOf("lab"), { test: { testTimeout: 120_000, hookTimeout: 600_000 } });

import { mergeConfig } from "vitest/config";
import { testsOf } from "../../vitest.shared.js";

// One after the other: they compile, install and measure.
export default mergeConfig(testsOf("release"), {
  test: { fileParallelism: false, testTimeout: 600_000, hookTimeout: 1_200_000 },
});

import { mergeConfig } from "vitest/config";
import { testsOf } from "../../vitest.shared.js";

// Processes and not threads, for the tests look at their own process's fds and memory map; gc() to see finalizers.
export default mergeConfig(testsOf("ioctl-native"), {
  test: { pool: "forks", execArgv: ["--expose-gc"], globalSetup: "test/support/fresh-build.ts" },
});

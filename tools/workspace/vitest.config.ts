import { mergeConfig } from "vitest/config";
import { testsOf } from "../../vitest.shared.js";

// They build, boot the lab and start browsers.
export default mergeConfig(testsOf("workspace"), {
  test: { globalSetup: ["test/build-site.ts"], testTimeout: 300_000, hookTimeout: 600_000 },
});

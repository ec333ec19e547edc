import { parsePipelineArguments } from "../pipeline/options.js";
import { runPrimary } from "../pipeline/primary.js";
import { runAsProcess } from "../pipeline/run-as-process.js";

/** The primary as a process of its own: `node dist/primary-main.js <BDF>`. Ends with Ctrl-C or SIGTERM. */
await runAsProcess("primary", (report, signal) =>
  runPrimary(parsePipelineArguments(process.argv.slice(2)), report, signal),
);

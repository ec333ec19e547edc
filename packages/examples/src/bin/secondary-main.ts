import { parsePipelineArguments } from "../pipeline/options.js";
import { runAsProcess } from "../pipeline/run-as-process.js";
import { runSecondary } from "../pipeline/secondary.js";

/** The secondary as a process of its own: `node dist/secondary-main.js <BDF>`, beside a running primary. */
await runAsProcess("secondary", (report, signal) =>
  runSecondary(parsePipelineArguments(process.argv.slice(2)), report, signal),
);

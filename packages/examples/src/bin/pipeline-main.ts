import { parsePipelineArguments } from "../pipeline/options.js";
import { runPipeline } from "../pipeline/run-pipeline.js";

/** Both processes on this machine, their events on standard output: what `npm start` runs inside the lab. */
const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ending.abort());
const wentWell = await runPipeline({
  ...parsePipelineArguments(process.argv.slice(2)),
  onEvent: (event) => process.stdout.write(`${JSON.stringify(event)}\n`),
  signal: ending.signal,
});
process.exitCode = wentWell ? 0 : 1;

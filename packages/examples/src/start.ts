import { Command, InvalidArgumentError } from "commander";
import { DEFAULT_MEMORY_MIB, DEFAULT_PREFIX, type PipelineOptions } from "./pipeline/options.js";
import type { PipelineEvent } from "./pipeline/events.js";
import { failureFacts } from "./pipeline/reporter.js";
import { pipelineWentWell, type Phase, type ReportDocument } from "./report/document.js";
import { TextReport } from "./report/text.js";
import { runOnHost } from "./where/host.js";
import { runInTheLab } from "./where/lab.js";

/** `npm start`: the whole pipeline, in the lab or on this host's own device, reported as it happens. */
interface CommandLine {
  readonly json?: boolean;
  readonly memory: number;
  readonly prefix: string;
}

const command = new Command("npm start --")
  .description(
    "Run the primary/secondary pipeline on real Linux VFIO: in the lab, or on a device of this host.",
  )
  .argument(
    "[BDF]",
    "a device of this host, e.g. 0000:03:00.0 (or VFIO_DEVICE=BDF); without it, the lab's edu device",
  )
  .option("--json", "print only one JSON document: every step with its facts and times")
  .option("--memory <MiB>", "hugepage memory to map for DMA", wholeNumber, DEFAULT_MEMORY_MIB)
  .option("--prefix <name>", "prefix of the primary's socket file", DEFAULT_PREFIX)
  .addHelpText("after", "\nExit code: 0 if the whole pipeline ran, 1 if a step failed, 130 after Ctrl-C.");

const ending = new AbortController();
process.once("SIGINT", () => ending.abort());
process.once("SIGTERM", () => ending.abort());

command.parse();
const options = command.opts<CommandLine>();
const device = command.args[0] ?? process.env["VFIO_DEVICE"];
process.exitCode = await start(device === "" ? undefined : device, options);

async function start(
  device: string | undefined,
  { json = false, memory, prefix }: CommandLine,
): Promise<number> {
  const started = performance.now();
  const events: PipelineEvent[] = [];
  const phases: Phase[] = [];
  const text = json ? undefined : new TextReport((out) => process.stdout.write(out), useColors());
  const watch = {
    signal: ending.signal,
    onHeading: (line: string) => text?.heading(line),
    onPhase: (phase: Phase) => (phases.push(phase), text?.phase(phase)),
    onEvent: (event: PipelineEvent) => (events.push(event), text?.event(event)),
  };
  const pipeline: Omit<PipelineOptions, "bdf"> = { memoryMiB: memory, prefix };
  const run =
    device === undefined ? runInTheLab(pipeline, watch) : runOnHost({ ...pipeline, bdf: device }, watch);
  const outcome = await run.catch((error: unknown) => ({ error: failureFacts(error) }));

  const document: ReportDocument = {
    ok: !("error" in outcome) && outcome.wentWell && pipelineWentWell(events),
    where: device === undefined ? "lab" : "host",
    device: "error" in outcome ? (device ?? "the lab's edu device") : outcome.device,
    kernel: "error" in outcome ? "unknown" : outcome.kernel,
    phases,
    events,
    totalMs: Math.round(performance.now() - started),
    ...("error" in outcome ? { error: outcome.error } : {}),
  };
  if (json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (document.error === undefined) text?.summary(document);
  else process.stderr.write(`${document.error.message}\n`);
  if (ending.signal.aborted) return 130;
  return document.ok ? 0 : 1;
}

function useColors(): boolean {
  return process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError("It must be a whole number above 0.");
}

import { Command, InvalidArgumentError } from "commander";
import { DEFAULT_MEMORY_MIB, DEFAULT_PREFIX, type PipelineOptions } from "../pipeline/options.js";
import { pipelineWentWell } from "../report/document.js";
import { runAndReport } from "../report/run-and-report.js";
import { runOnHost } from "../run-on/host.js";
import { runInTheLab } from "../run-on/lab.js";

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
  .addHelpText(
    "after",
    "\nExit code: 0 if the whole pipeline ran, 1 if a step failed, 128 + n after signal n: 130 after Ctrl-C.",
  );

command.parse();
const options = command.opts<CommandLine>();
const device = command.args[0] ?? process.env["VFIO_DEVICE"];
process.exitCode = await start(device === "" ? undefined : device, options);

function start(device: string | undefined, { json = false, memory, prefix }: CommandLine): Promise<number> {
  const pipeline: Omit<PipelineOptions, "bdf"> = { memoryMiB: memory, prefix };
  return runAndReport({
    json,
    where: device === undefined ? "lab" : "host",
    device: device ?? "the lab's edu device",
    run: (watch) =>
      device === undefined ? runInTheLab(pipeline, watch) : runOnHost({ ...pipeline, bdf: device }, watch),
    wentWell: pipelineWentWell,
    summary: (text, document) => text.summary(document),
  });
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError("It must be a whole number above 0.");
}

import path from "node:path";
import { LAB_DEVICES, runInLab, type LabDevice, type LabOptions, type LabProgress } from "@vfio/lab";
import { parseEvent } from "../pipeline/events.js";
import { pipelineArguments, type PipelineOptions } from "../pipeline/options.js";
import type { Outcome, Watch } from "./watch.js";

export interface LabProgram {
  readonly device: LabDevice;
  readonly file: string;
  readonly args: readonly string[];
  readonly extras?: LabOptions["extras"];
}

/** Runs the pipeline in the lab: a QEMU machine with an IOMMU, on Debian's own kernel. */
export async function runInTheLab(options: Omit<PipelineOptions, "bdf">, watch: Watch): Promise<Outcome> {
  const device = LAB_DEVICES.edu;
  watch.onHeading(`Device ${device.bdf} (edu) of the lab, a QEMU machine with an IOMMU`);
  const args = pipelineArguments({ ...options, bdf: device.bdf });
  return runProgramInTheLab({ device, file: "pipeline-main.js", args }, watch);
}

/** Runs a program of this package in the lab, and passes its events on. */
export async function runProgramInTheLab(
  { device, file, args, extras }: LabProgram,
  watch: Watch,
): Promise<Outcome> {
  const setUp = phaseReporter(watch);
  const lines = lineReader((line) => {
    const event = parseEvent(line);
    if (event === undefined) process.stderr.write(`${line}\n`);
    else watch.onEvent(event);
  });
  const result = await runInLab([process.execPath, path.join(import.meta.dirname, file), ...args], {
    signal: watch.signal,
    onProgress: setUp,
    onStdout: lines,
    onStderr: (chunk) => process.stderr.write(chunk),
    ...(extras === undefined ? {} : { extras }),
  });
  return { wentWell: result.exitCode === 0, device: device.bdf, kernel: result.kernel };
}

/** Turns the lab's "now this begins" into phases with times: each ends when the next begins. */
function phaseReporter(watch: Watch): (progress: LabProgress) => void {
  let current: { title: string; started: number } | undefined;
  return ({ message }) => {
    const now = performance.now();
    if (current !== undefined) watch.onPhase({ title: current.title, ms: Math.round(now - current.started) });
    current = { title: message, started: now };
  };
}

function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  };
}

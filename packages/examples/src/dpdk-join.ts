import { LAB_DEVICES } from "@vfio/lab";
import { Command } from "commander";
import type { PipelineEvent } from "./pipeline/events.js";
import { failureFacts } from "./pipeline/reporter.js";
import type { Phase, ReportDocument } from "./report/document.js";
import { duration, TextReport } from "./report/text.js";
import { runProgramInTheLab } from "./where/lab.js";
import type { Watch } from "./where/watch.js";

/** `npm run example:dpdk-join`: a Node.js process beside a live DPDK primary, in the lab. */
const command = new Command("npm run example:dpdk-join --")
  .description(
    "Start Debian's dpdk-testpmd on the lab's network card, join it from Node.js, read the card's registers while DPDK polls it, and leave.",
  )
  .option("--json", "print only one JSON document: every step with its facts and times")
  .addHelpText("after", "\nExit code: 0 if every step went well, 1 if one failed, 130 after Ctrl-C.");
command.parse();

const { json = false } = command.opts<{ json?: boolean }>();
const ending = new AbortController();
process.once("SIGINT", () => ending.abort());
process.once("SIGTERM", () => ending.abort());
process.exitCode = await start();

async function start(): Promise<number> {
  const started = performance.now();
  const events: PipelineEvent[] = [];
  const phases: Phase[] = [];
  const colors = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
  const text = json ? undefined : new TextReport((out) => process.stdout.write(out), colors);
  const watch: Watch = {
    signal: ending.signal,
    onHeading: (line) => text?.heading(line),
    onPhase: (phase) => (phases.push(phase), text?.phase(phase)),
    onEvent: (event) => (events.push(event), text?.event(event)),
  };
  const device = LAB_DEVICES.e1000e;
  watch.onHeading(`Device ${device.bdf} (e1000e) of the lab, driven by dpdk-testpmd`);
  const program = { device, file: "dpdk-join-main.js", args: [device.bdf], extras: ["dpdk"] as const };
  const outcome = await runProgramInTheLab(program, watch).catch((error: unknown) => ({
    error: failureFacts(error),
  }));

  const failed = "error" in outcome;
  const document: ReportDocument = {
    ok: !failed && outcome.wentWell && !events.some(({ event }) => event === "failed"),
    where: "lab",
    device: device.bdf,
    kernel: failed ? "unknown" : outcome.kernel,
    phases,
    events,
    totalMs: Math.round(performance.now() - started),
    ...(failed ? { error: outcome.error } : {}),
  };
  if (json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (document.error !== undefined) process.stderr.write(`${document.error.message}\n`);
  else text?.heading(`\n${verdict(document)}`);
  if (ending.signal.aborted) return 130;
  return document.ok ? 0 : 1;
}

function verdict({ ok, kernel, totalMs }: ReportDocument): string {
  const result = ok ? "Node.js read the card beside DPDK, and DPDK went on." : "It did not run to its end.";
  return `${result} lab, ${kernel}, ${duration(totalMs)} in all`;
}

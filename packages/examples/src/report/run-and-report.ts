import type { PipelineEvent } from "../pipeline/events.js";
import { failureFacts } from "../pipeline/reporter.js";
import type { Outcome, Watch } from "../run-on/watch.js";
import type { Phase, ReportDocument } from "./document.js";
import { Ending } from "./ending.js";
import { terminalOf } from "./terminal.js";
import { TextReport } from "./text.js";

export interface ReportedRun {
  readonly json: boolean;
  readonly where: ReportDocument["where"];
  /** The device's name in the document if the run did not get as far as finding it. */
  readonly device: string;
  readonly run: (watch: Watch) => Promise<Outcome>;
  /** Whether everything that such a run needs has happened. */
  readonly wentWell: (events: readonly PipelineEvent[]) => boolean;
  readonly summary: (text: TextReport, document: ReportDocument) => void;
}

/** Runs to the end, or until a signal. @returns the exit code: 0, 1, or 128 + n after signal n: 130 after Ctrl-C. */
export async function runAndReport(reported: ReportedRun): Promise<number> {
  using ending = new Ending();
  const started = performance.now();
  const events: PipelineEvent[] = [];
  const phases: Phase[] = [];
  const text = reported.json
    ? undefined
    : new TextReport((out) => process.stdout.write(out), terminalOf(process.stdout, process.env));
  const watch: Watch = {
    signal: ending.signal,
    onHeading: (line) => text?.heading(line),
    onPhase: (phase) => (phases.push(phase), text?.phase(phase)),
    onEvent: (event) => (events.push(event), text?.event(event)),
  };
  const outcome = await reported.run(watch).catch((error: unknown) => ({ error: failureFacts(error) }));
  const ended = ending.outcome;

  const document: ReportDocument = {
    ok: ended === undefined && !("error" in outcome) && outcome.wentWell && reported.wentWell(events),
    where: reported.where,
    device: "error" in outcome ? reported.device : outcome.device,
    kernel: "error" in outcome ? "unknown" : outcome.kernel,
    phases,
    events,
    totalMs: Math.round(performance.now() - started),
    ...(ended === undefined
      ? "error" in outcome && { error: outcome.error }
      : { error: { code: "ERR_VFIO_ABORTED", message: ended.message } }),
  };
  if (reported.json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  else if (document.error !== undefined) process.stderr.write(`${document.error.message}\n`);
  else if (text !== undefined) reported.summary(text, document);
  return ended?.exitCode ?? (document.ok ? 0 : 1);
}

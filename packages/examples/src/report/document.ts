import type { PipelineEvent } from "../pipeline/events.js";

/** Something before the pipeline's first step: setting up, booting. */
export interface Phase {
  readonly title: string;
  readonly ms: number;
}

/** The whole run as data: what `npm start -- --json` prints. */
export interface ReportDocument {
  readonly ok: boolean;
  /** The QEMU machine, or this host's own device. */
  readonly where: "lab" | "host";
  readonly device: string;
  readonly kernel: string;
  readonly phases: readonly Phase[];
  /** In the order they happened. */
  readonly events: readonly PipelineEvent[];
  readonly totalMs: number;
  /** Why there was no pipeline at all. */
  readonly error?: { readonly code: string | undefined; readonly message: string };
}

/** The primary's numbered steps, each once, in order. */
export function numberedSteps(
  events: readonly PipelineEvent[],
): (PipelineEvent & { number: number; title: string })[] {
  return events.filter(
    (event): event is PipelineEvent & { number: number; title: string } => "number" in event,
  );
}

/** True if all ten steps and everything after them succeeded. */
export function pipelineWentWell(events: readonly PipelineEvent[]): boolean {
  const done = numberedSteps(events).filter(({ event }) => event === "step");
  return done.length === 10 && !events.some(({ event }) => event === "failed");
}

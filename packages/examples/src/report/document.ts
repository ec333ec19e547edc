import type { PipelineEvent } from "../pipeline/events.js";

/** Something before the pipeline's first step: setting up, booting. */
export interface Phase {
  readonly title: string;
  readonly ms: number;
}

/** The whole run as data: what `npm start -- --json` prints. */
export interface ReportDocument {
  readonly ok: boolean;
  readonly where: "lab" | "host";
  readonly device: string;
  readonly kernel: string;
  readonly phases: readonly Phase[];
  /** In the order they happened. */
  readonly events: readonly PipelineEvent[];
  readonly totalMs: number;
  readonly error?: { readonly code: string | undefined; readonly message: string };
}

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

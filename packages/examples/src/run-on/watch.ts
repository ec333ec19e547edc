import type { PipelineEvent } from "../pipeline/events.js";
import type { Phase } from "../report/document.js";

export interface Watch {
  readonly signal: AbortSignal;
  readonly onHeading: (line: string) => void;
  readonly onPhase: (phase: Phase) => void;
  readonly onEvent: (event: PipelineEvent) => void;
}

export interface Outcome {
  readonly wentWell: boolean;
  readonly device: string;
  readonly kernel: string;
}

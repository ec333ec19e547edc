/** The process a step ran in. */
export type Role = "primary" | "secondary";

/** What a step found out, by name; addresses are hexadecimal strings. */
export type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** An error, as far as it travels between processes. */
export interface FailureFacts {
  /** The error's class. */
  readonly name: string;
  /** `ERR_VFIO_…` or an errno's name, if it has one. */
  readonly code: string | undefined;
  /** What failed, and the remedy where there is one. */
  readonly message: string;
}

/** One thing that happened in the pipeline; each process writes them to its standard output, a line of JSON each. */
export type PipelineEvent =
  | {
      /** A step that was done. */
      readonly event: "step";
      /** Where it ran. */
      readonly role: Role;
      /** 1–10 for the primary's steps; what is not one of them has no number. */
      readonly number?: number;
      /** What it did. */
      readonly title: string;
      /** What it found out. */
      readonly facts: Facts;
      /** How long it took, in milliseconds. */
      readonly ms: number;
    }
  | {
      /** Something that cannot be shown here. */
      readonly event: "left-out";
      /** Where it would have run. */
      readonly role: Role;
      /** What it would have done. */
      readonly title: string;
      /** Why it was left out. */
      readonly reason: string;
    }
  | {
      /** A step that failed; the process ends after it. */
      readonly event: "failed";
      /** Where it ran. */
      readonly role: Role;
      /** As in a step that was done. */
      readonly number?: number;
      /** What it was to do. */
      readonly title: string;
      /** What went wrong. */
      readonly error: FailureFacts;
    }
  | {
      /** The primary takes connections now. */
      readonly event: "listening";
      /** Only a primary listens. */
      readonly role: "primary";
      /** Its socket file. */
      readonly path: string;
    };

/** The event in a line of output, or `undefined` if the line is something else (a stack trace, a warning). */
export function parseEvent(line: string): PipelineEvent | undefined {
  if (!line.startsWith('{"event":')) return undefined;
  try {
    return JSON.parse(line) as PipelineEvent;
  } catch {
    return undefined;
  }
}

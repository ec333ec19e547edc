/** The process a step ran in. */
export type Role = "primary" | "secondary";

/** What a step found out, by name; addresses are hexadecimal strings. */
export type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** An error, as far as it travels between processes. */
export interface FailureFacts {
  readonly name: string;
  /** `ERR_VFIO_…` or an errno's name, if it has one. */
  readonly code: string | undefined;
  readonly message: string;
}

/** Something that happened in the pipeline; each process writes one line of JSON for each to its standard output. */
export type PipelineEvent =
  | {
      /** A step that was done. */
      readonly event: "step";
      readonly role: Role;
      /** 1–10 for the primary's ten steps, absent for others. */
      readonly number?: number;
      readonly title: string;
      readonly facts: Facts;
      /** In milliseconds. */
      readonly ms: number;
    }
  | {
      readonly event: "left-out";
      readonly role: Role;
      readonly title: string;
      readonly reason: string;
    }
  | {
      /** A step that failed; the process ends after it. */
      readonly event: "failed";
      readonly role: Role;
      readonly number?: number;
      readonly title: string;
      readonly error: FailureFacts;
    }
  | {
      /** The primary takes connections now. */
      readonly event: "listening";
      readonly role: "primary";
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

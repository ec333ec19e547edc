/** The process a step ran in. */
export type Role = "primary" | "secondary";

/** What a step found out, by name; addresses are hexadecimal strings. */
export type Facts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** An error, as far as it travels between processes. */
export interface FailureFacts {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
}

/** One thing that happened in the pipeline; each process writes them to its standard output, a line of JSON each. */
export type PipelineEvent =
  | {
      readonly event: "step";
      readonly role: Role;
      /** 1–10 for the primary's steps; what is not one of them has no number. */
      readonly number?: number;
      readonly title: string;
      readonly facts: Facts;
      readonly ms: number;
    }
  | {
      readonly event: "left-out";
      readonly role: Role;
      readonly title: string;
      readonly reason: string;
    }
  | {
      readonly event: "failed";
      readonly role: Role;
      readonly number?: number;
      readonly title: string;
      readonly error: FailureFacts;
    }
  | { readonly event: "listening"; readonly role: "primary"; readonly path: string };

/** The event in a line of output, or `undefined` if the line is something else (a stack trace, a warning). */
export function parseEvent(line: string): PipelineEvent | undefined {
  if (!line.startsWith('{"event":')) return undefined;
  try {
    return JSON.parse(line) as PipelineEvent;
  } catch {
    return undefined;
  }
}

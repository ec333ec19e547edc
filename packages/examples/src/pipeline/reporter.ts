import type { Facts, FailureFacts, PipelineEvent, Role } from "./events.js";

/** Thrown after a step's failure was reported, so that nobody reports it twice. */
export class StepFailed extends Error {
  override readonly name = "StepFailed";
}

/** Runs the steps of one process and reports each with its facts and time. */
export class Reporter {
  /** @param emit takes the events. Default: a line of JSON each on standard output. */
  constructor(
    readonly role: Role,
    readonly emit: (event: PipelineEvent) => void = (event) =>
      process.stdout.write(`${JSON.stringify(event)}\n`),
  ) {}

  /**
   * One of the primary's ten steps. Returns what the step returned; If `facts` throws, the result is disposed of, since
   * nobody else has it yet.
   */
  step<T>(number: number, title: string, action: () => T, facts: (result: T) => Facts = () => ({})): T {
    const step = { number, title };
    const started = performance.now();
    let result: T;
    try {
      result = action();
    } catch (error) {
      throw this.#failed(step, error);
    }
    try {
      this.#done(step, started, facts(result));
    } catch (error) {
      disposerOf(result, Symbol.dispose)?.();
      throw this.#failed(step, error);
    }
    return result;
  }

  /** As {@link step}, for something that takes a while and is none of the ten. */
  async task<T>(
    title: string,
    action: () => T | Promise<T>,
    facts: (result: T) => Facts = () => ({}),
  ): Promise<T> {
    const started = performance.now();
    let result: T;
    try {
      result = await action();
    } catch (error) {
      throw this.#failed({ title }, error);
    }
    try {
      this.#done({ title }, started, facts(result));
    } catch (error) {
      const dispose = disposerOf(result, Symbol.asyncDispose) ?? disposerOf(result, Symbol.dispose);
      await dispose?.();
      throw this.#failed({ title }, error);
    }
    return result;
  }

  /** Reports what this machine or device cannot show, and why. */
  leftOut(title: string, reason: string): void {
    this.emit({ event: "left-out", role: this.role, title, reason });
  }

  #done(what: { number?: number; title: string }, started: number, facts: Facts): void {
    const ms = Math.round((performance.now() - started) * 10) / 10;
    this.emit({ event: "step", role: this.role, ...what, facts, ms });
  }

  #failed(what: { number?: number; title: string }, error: unknown): StepFailed {
    this.emit({ event: "failed", role: this.role, ...what, error: failureFacts(error) });
    return new StepFailed(what.title, { cause: error });
  }
}

function disposerOf(
  result: unknown,
  kind: typeof Symbol.dispose | typeof Symbol.asyncDispose,
): (() => unknown) | undefined {
  if (typeof result !== "object" || result === null || !(kind in result)) return undefined;
  const resource = result as Record<typeof kind, () => unknown>;
  return () => resource[kind]();
}

export function failureFacts(error: unknown): FailureFacts {
  if (!(error instanceof Error)) return { name: "Error", code: undefined, message: String(error) };
  const { code } = error as { code?: unknown };
  return { name: error.name, code: typeof code === "string" ? code : undefined, message: error.message };
}

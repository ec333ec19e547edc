import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type EndingSignal = (typeof SIGNALS)[number];

/** A person or the system asks the run to end. */
export class Ending implements Disposable {
  readonly #controller = new AbortController();
  // npm passes on signals that the terminal has sent to all processes already: a second one of a kind changes nothing.
  readonly #end = (by: EndingSignal): void => this.#controller.abort(by);

  constructor() {
    for (const name of SIGNALS) process.on(name, this.#end);
  }

  /** Aborted by the first of SIGINT, SIGTERM and SIGHUP. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The message, such as "ended by Ctrl-C", and the exit code; nothing if no signal came. */
  get outcome(): { readonly message: string; readonly exitCode: number } | undefined {
    if (!this.signal.aborted) return undefined;
    const by = this.signal.reason as EndingSignal;
    return {
      message: `ended by ${by === "SIGINT" ? "Ctrl-C" : by}`,
      exitCode: 128 + constants.signals[by],
    };
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) process.off(name, this.#end);
  }
}

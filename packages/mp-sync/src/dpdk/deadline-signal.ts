/**
 * One AbortSignal for a time limit and any number of other signals. Dispose it when the work is done: unlike
 * `AbortSignal.any`, it leaves nothing behind in signals that live longer.
 */
export class DeadlineSignal implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #sources: readonly AbortSignal[];

  /** @param timeoutError makes the reason when the time is up. */
  constructor(timeoutMs: number, timeoutError: () => Error, sources: readonly AbortSignal[]) {
    this.#sources = sources;
    this.#timer = setTimeout(() => this.#controller.abort(timeoutError()), timeoutMs);
    for (const source of sources) source.addEventListener("abort", this.#forward, { once: true });
    this.#forward();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #forward = (): void => {
    const aborted = this.#sources.find((source) => source.aborted);
    if (aborted !== undefined) this.#controller.abort(aborted.reason);
  };

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const source of this.#sources) source.removeEventListener("abort", this.#forward);
  }
}

/**
 * The end of a piece of work that waits: a time limit, a caller's signal, or {@link Deadline.end}, whichever comes
 * first. Dispose it when the work is done. It makes no AbortController and no error before it needs one: there is one
 * for each request.
 */
export class Deadline implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #signal: AbortSignal | undefined;
  #over: { readonly reason: unknown } | undefined;
  #listener: (() => void) | undefined;

  /** @param timeoutError makes the reason when the time is up. */
  constructor(timeoutMs: number, timeoutError: () => Error, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#timer = setTimeout(() => this.end(timeoutError()), timeoutMs);
    if (signal?.aborted === true) this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** True when the work has to end. */
  get isOver(): boolean {
    return this.#over !== undefined;
  }

  /** @throws the reason, if it is over. */
  check(): void {
    if (this.#over !== undefined) throw this.#over.reason;
  }

  /** Ends it; the first reason counts. */
  end(reason: unknown): void {
    this.#over ??= { reason };
    this.#listener?.();
  }

  /**
   * Calls back when it is over: the one listener of whoever waits at the moment.
   * @returns a function that forgets the listener.
   */
  onOver(listener: () => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = undefined);
  }

  readonly #onAbort = (): void => this.end(this.#signal?.reason);

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

/**
 * The end of a piece of work that waits: a time limit, a caller's signal, or {@link Deadline.end}, whichever comes
 * first. Dispose it when the work is done. It makes no AbortController, timer and error before it needs one: there is a
 * deadline for each request, and few requests wait.
 */
export class Deadline implements Disposable {
  readonly #endsAt: number;
  readonly #timeoutError: () => Error;
  readonly #signal: AbortSignal | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over: { readonly reason: unknown } | undefined;
  #listener: (() => void) | undefined;

  /** @param timeoutError makes the reason when the time is up. */
  constructor(timeoutMs: number, timeoutError: () => Error, signal: AbortSignal | undefined) {
    this.#endsAt = performance.now() + timeoutMs;
    this.#timeoutError = timeoutError;
    this.#signal = signal;
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
    // A timer of 0 ms or less is one of 1 ms.
    this.#timer ??= setTimeout(() => this.end(this.#timeoutError()), this.#endsAt - performance.now());
    return () => (this.#listener = undefined);
  }

  readonly #onAbort = (): void => this.end(this.#signal?.reason);

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}

import { setTimeout as sleep } from "node:timers/promises";
import { follow, unfollow } from "./signals.js";

/** Node's longest timer, nearly 25 days. Above it, in fractions of a millisecond too, a timer fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * The limit of work that waits: a timeout, signals, or {@link Deadline.end}, whichever comes first. Dispose of it when
 * the work is done. It makes timer, listener and error only when needed: every request has a deadline, but few wait.
 */
export class Deadline implements Disposable {
  readonly #endsAt: number;
  readonly #timeoutError: () => Error;
  readonly #signals: readonly (AbortSignal | undefined)[];
  #isWatching = false;
  #timer: NodeJS.Timeout | undefined;
  #over: { readonly reason: unknown } | undefined;
  #listener: ((reason: unknown) => void) | undefined;

  /**
   * @param timeoutMs from now; Infinity for no limit.
   * @param timeoutError makes the reason when the time is up.
   */
  constructor(
    timeoutMs: number,
    timeoutError: () => Error,
    ...signals: readonly (AbortSignal | undefined)[]
  ) {
    this.#endsAt = performance.now() + timeoutMs;
    this.#timeoutError = timeoutError;
    this.#signals = signals;
  }

  /** @throws the reason, if it is over. A timeout takes effect only while something waits. */
  check(): void {
    const aborted = this.#signals.find((signal) => signal?.aborted === true);
    if (aborted !== undefined) this.end(aborted.reason);
    if (this.#over !== undefined) throw this.#over.reason;
  }

  /** The first reason counts. */
  end(reason: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = { reason };
    this.#listener?.(reason);
  }

  /**
   * Calls back when it is over, after {@link check}. There is one listener at a time.
   * @returns a function that removes the listener.
   */
  onOver(listener: (reason: unknown) => void): () => void {
    this.#listener = listener;
    if (!this.#isWatching) this.#watch();
    return () => (this.#listener = undefined);
  }

  /** @throws the reason, if it is over before or then. */
  async pause(milliseconds: number): Promise<void> {
    this.check();
    const over = new AbortController();
    const forget = this.onOver(() => over.abort());
    await sleep(milliseconds, undefined, { signal: over.signal }).catch(() => undefined);
    forget();
    this.check();
  }

  [Symbol.dispose](): void {
    if (!this.#isWatching) return;
    clearTimeout(this.#timer);
    for (const signal of this.#signals) if (signal !== undefined) unfollow(signal, this);
  }

  #watch(): void {
    this.#isWatching = true;
    for (const signal of this.#signals) if (signal !== undefined) follow(signal, this);
    const left = this.#endsAt - performance.now();
    // What is longer is as good as no limit.
    if (left <= LONGEST_TIMER_MS) this.#timer = setTimeout(() => this.end(this.#timeoutError()), left);
  }
}

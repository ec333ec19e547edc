import { closedError, EventFd, waitForFd, type WaitOptions } from "@vfio/ioctl-native";
import { followSignal } from "./follow-signal.js";

/** How long and until when to wait for an interrupt. */
export type InterruptWait = Pick<WaitOptions, "signal" | "timeoutMs">;

/**
 * One interrupt vector. Interrupts are counted in the kernel, so none is lost between two waits: each wait gives
 * how many came since the last.
 */
export class InterruptVector implements AsyncIterable<number>, Disposable {
  /** The vector's number, from 0. */
  readonly number: number;
  readonly #name: string;
  readonly #eventFd = EventFd.create();
  /** Ends whoever waits when the vector is closed. */
  readonly #waits = new Set<AbortController>();

  /** Programs call `interrupts.vector(number)`. */
  constructor(number: number, name: string) {
    this.number = number;
    this.#name = name;
  }

  /** The eventfd that the kernel raises. */
  get fd(): number {
    return this.#eventFd.fd;
  }

  /**
   * Waits for the next interrupt, through the event loop.
   * @returns how many came since the last call, at least 1.
   * @throws VfioError `ERR_VFIO_TIMEOUT`; the signal's reason when aborted.
   */
  async wait(options: InterruptWait = {}): Promise<number> {
    for (;;) {
      options.signal?.throwIfAborted();
      const count = this.poll();
      if (count > 0) return count;
      await this.#untilRaised(options);
    }
  }

  /** How many interrupts came since the last call; 0 if none. Never waits: for busy polling. */
  poll(): number {
    return this.#eventFd.read();
  }

  /** `for await (const count of vector)`: every count that {@link wait} gives, until the loop is left. */
  async *[Symbol.asyncIterator](): AsyncGenerator<number, void, void> {
    for (;;) yield await this.wait();
  }

  /** Closes the eventfd. `Interrupts.close` does it. Closing twice does nothing. */
  close(): void {
    for (const wait of this.#waits) wait.abort(closedError(this.#name));
    this.#eventFd.close();
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #untilRaised({ signal, timeoutMs }: InterruptWait): Promise<void> {
    const wait = new AbortController();
    const following = signal === undefined ? undefined : followSignal(signal, wait);
    this.#waits.add(wait);
    try {
      await waitForFd(this.#eventFd, { timeoutMs, signal: wait.signal, what: this.#name });
    } finally {
      following?.[Symbol.dispose]();
      this.#waits.delete(wait);
    }
  }
}

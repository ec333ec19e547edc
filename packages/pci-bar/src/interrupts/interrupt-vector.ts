import { EventFd, watchFd, type FdWatcher, type WaitLimits } from "@vfio/ioctl-native";
import {
  checkFunction,
  checkOptions,
  checkWaitLimits,
  closedError,
  limitWait,
  runAll,
  timeoutError,
  printAs,
} from "@vfio/ioctl-native/internal";

/** Limits of a wait for an interrupt. */
export type InterruptWait = WaitLimits;

/** Limits of busy polling for an interrupt. */
export interface BusyWait {
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. Default 10. */
  readonly timeoutMs?: number | undefined;
}

/** Called with the number of interrupts since the last count was given out, at least 1. */
export type InterruptListener = (count: number) => void;

/** Options of {@link InterruptVector.onInterrupt}. */
export interface ListenOptions {
  /** Keep the process alive while the listener is there. Default true. */
  readonly keepAlive?: boolean;
}

/** The most counts given out in a row; then the event loop has a turn, or timers and signals would starve. */
const COUNTS_PER_TURN = 64;
/** Runs work when the current job has ended: cheaper than queueMicrotask(). */
const JOB_ENDED = Promise.resolve();

interface Waiter {
  readonly resolve: (count: number) => void;
  readonly reject: (error: unknown) => void;
  limit: Disposable | undefined;
}

/**
 * One interrupt vector. The kernel counts interrupts, so none is lost between two waits: each wait gives the number
 * since the last. Every count is given out once: to the wait that began first, else to the listeners.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 *
 * using pci = new PciDevice(device);
 *
 * using interrupts = pci.setUpInterrupts({ vectors: 1 });
 * interrupts.enable();
 * const vector = interrupts.vector(0);
 * console.log(await vector.wait({ timeoutMs: 1000 })); // how many came
 * for await (const count of vector) console.log(count);
 * ```
 */
export class InterruptVector implements AsyncIterable<number>, Disposable {
  static {
    printAs(InterruptVector, (it) => ({ name: it.#name, number: it.number, closed: it.#closed }));
  }

  /** From 0. */
  readonly number: number;
  readonly #name: string;
  readonly #eventFd = EventFd.create();
  readonly #waiters = new Set<Waiter>();
  readonly #listeners = new Set<{ readonly listener: InterruptListener; readonly keepAlive: boolean }>();
  #watcher: FdWatcher | undefined;
  #keepsAlive = false;
  #countsThisTurn = 0;
  #closed = false;

  /** Programs call `interrupts.vector(number)`. */
  constructor(number: number, name: string) {
    this.number = number;
    this.#name = name;
  }

  /** The eventfd that the kernel raises. Reading it takes counts away from the waits and listeners here. */
  get fd(): number {
    this.#checkOpen();
    return this.#eventFd.fd;
  }

  /**
   * Waits for the next interrupt. One that came already, or comes before the current job ends, resolves at once; others
   * through the event loop.
   * @returns the number of interrupts since the last count was given out, at least 1.
   * @throws VfioError `ERR_VFIO_TIMEOUT`; `ERR_VFIO_CLOSED`, also if closed meanwhile; VfioRangeError
   * `ERR_VFIO_WAIT_ARGUMENT`; the signal's reason when aborted (`ERR_VFIO_ABORTED` if that is no Error).
   */
  wait(options: InterruptWait = {}): Promise<number> {
    // Not async: an async function's promise would resolve some turns of the microtask queue later.
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      checkOptions("the options of wait()", options);
      checkWaitLimits(options);
      // Earlier waits come first.
      const count = this.#waiters.size === 0 ? this.#look() : 0;
      if (count > 0) resolve(count);
      else this.#enqueue({ resolve, reject, limit: undefined }, options);
    });
  }

  /**
   * The number of interrupts since the last count was given out; 0 if none. Never waits: for busy polling. Throws
   * `ERR_VFIO_CLOSED`.
   */
  poll(): number {
    try {
      return this.#eventFd.read();
    } catch (error) {
      this.#checkOpen();
      throw error;
    }
  }

  /**
   * As {@link poll}, but busy-polls until an interrupt comes: the fastest way, for waits of microseconds. Blocks the
   * thread, and comes before other waits.
   * @returns the number of interrupts since the last count was given out, at least 1.
   * @throws VfioError `ERR_VFIO_TIMEOUT`, `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_WAIT_ARGUMENT`.
   */
  waitSync(options: BusyWait = {}): number {
    checkOptions("the options of waitSync()", options);
    const { timeoutMs = 10 } = options;
    const count = this.#spin(timeoutMs);
    if (count === 0) throw timeoutError(this.#name, timeoutMs);
    return count;
  }

  /** Calls back with every count that no {@link wait} takes, until disposed of. @throws VfioError `ERR_VFIO_CLOSED`. */
  onInterrupt(listener: InterruptListener, options: ListenOptions = {}): Disposable {
    this.#checkOpen();
    checkFunction("the listener of onInterrupt()", listener);
    checkOptions("the options of onInterrupt()", options);
    const { keepAlive = true } = options;
    const entry = { listener, keepAlive };
    this.#watch();
    this.#listeners.add(entry);
    this.#keepAliveAsNeeded();
    return {
      [Symbol.dispose]: () => {
        this.#listeners.delete(entry);
        this.#keepAliveAsNeeded();
      },
    };
  }

  /**
   * Every count that {@link wait} gives, until the vector is closed; the limits hold for each wait. Throws as
   * {@link wait}, but `ERR_VFIO_CLOSED` only if the vector was closed before.
   */
  async *counts(options: InterruptWait = {}): AsyncGenerator<number, void, void> {
    this.#checkOpen();
    for (;;) {
      let count: number;
      try {
        count = await this.wait(options);
      } catch (error) {
        if (this.#closed && options.signal?.aborted !== true) return;
        throw error;
      }
      yield count;
    }
  }

  /** `for await (const count of vector)`: {@link counts} without limits. */
  [Symbol.asyncIterator](): AsyncGenerator<number, void, void> {
    return this.counts();
  }

  /** `Interrupts.close` does it. Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    this.#stopWatching();
    this.#rejectAll(closedError(this.#name));
    this.#eventFd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #spin(timeoutMs: number): number {
    try {
      return this.#eventFd.spin(timeoutMs);
    } catch (error) {
      this.#checkOpen();
      throw error;
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.#name);
  }

  #enqueue(waiter: Waiter, options: InterruptWait): void {
    waiter.limit = limitWait(options, this.#name, (error) =>
      this.#finish(waiter, () => waiter.reject(error)),
    );
    this.#waiters.add(waiter);
    void JOB_ENDED.then(this.#lookOrWatch);
  }

  /**
   * An interrupt caused by work right behind wait() may be there when the job ends: that needs no watch, and no turn of
   * the event loop.
   */
  readonly #lookOrWatch = (): void => {
    try {
      const count = this.#waiters.size > 0 ? this.#look() : 0;
      if (count > 0) this.#giveOut(count);
      if (this.#waiters.size > 0) this.#watch();
      this.#keepAliveAsNeeded();
    } catch (error) {
      this.#rejectAll(error);
    }
  };

  #rejectAll(error: unknown): void {
    for (const waiter of [...this.#waiters]) this.#finish(waiter, () => waiter.reject(error));
  }

  /** As {@link poll}, unless the event loop must have a turn first: then the watch finds the count. */
  #look(): number {
    if (this.#countsThisTurn >= COUNTS_PER_TURN) return 0;
    const count = this.poll();
    if (count > 0) this.#countsThisTurn++;
    return count;
  }

  #finish(waiter: Waiter, settle: () => void): void {
    this.#waiters.delete(waiter);
    waiter.limit?.[Symbol.dispose]();
    this.#keepAliveAsNeeded();
    settle();
  }

  /** One watch serves many waits: a new one costs five system calls. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    this.#watcher = watchFd(this.#eventFd, () => this.#onReadable());
    this.#keepsAlive = true;
  }

  #onReadable(): void {
    this.#countsThisTurn = 0;
    // Nobody wants the count now: it stays in the kernel.
    if (this.#waiters.size === 0 && this.#listeners.size === 0) return this.#stopWatching();
    const count = this.poll();
    if (count > 0) this.#giveOut(count);
  }

  #giveOut(count: number): void {
    const first = this.#waiters.values().next().value;
    if (first !== undefined) return this.#finish(first, () => first.resolve(count));
    runAll(
      [...this.#listeners].map(
        ({ listener }) =>
          () =>
            listener(count),
      ),
    );
  }

  #stopWatching(): void {
    this.#watcher?.stop();
    this.#watcher = undefined;
  }

  #keepAliveAsNeeded(): void {
    const needed = this.#waiters.size > 0 || this.#listenerKeepsAlive();
    if (needed === this.#keepsAlive) return;
    this.#keepsAlive = needed;
    if (needed) this.#watcher?.ref();
    else this.#watcher?.unref();
  }

  #listenerKeepsAlive(): boolean {
    for (const { keepAlive } of this.#listeners) if (keepAlive) return true;
    return false;
  }
}

import { shownValue } from "../errors/argument-error.js";
import { check, VfioRangeError } from "../errors/errors.js";
import { Fd, type HasFd, fdState } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import { inSlices, LONGEST_MICROSECONDS, SLICE_MICROSECONDS } from "./slices.js";
import { checkWaitLimits } from "./wait-limits.js";
import { printAs } from "../errors/printed.js";

/**
 * A counter that the kernel or another process can raise and an event loop can wait for (`eventfd(2)`).
 * @example
 * ```ts
 * import { EventFd, waitForFd } from "@vfio/ioctl-native";
 *
 * using event = EventFd.create();
 * event.signal(3);
 * await waitForFd(event, { timeoutMs: 1000 });
 * console.log(event.read()); // 3
 * ```
 */
export class EventFd implements HasFd, Disposable {
  static {
    printAs(EventFd, (it) => fdState(it.#fd));
  }

  readonly #fd: Fd;

  private constructor(fd: Fd) {
    this.#fd = fd;
  }

  /** A new counter at 0: non-blocking, close-on-exec. */
  static create(): EventFd {
    const fd = check(kernel().eventfd(), () => ({ syscall: "eventfd", what: "cannot create an eventfd" }));
    return new EventFd(new Fd(fd, "eventfd"));
  }

  /** For `VFIO_DEVICE_SET_IRQS`. Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  /** Takes the counter's value and sets it to 0. Returns 0 if nothing was signalled; never waits. */
  read(): number {
    const count = kernel().eventfdRead(this.#fd.fd);
    // Busy polling comes here in a loop: nothing is allocated unless the read failed.
    return count >= 0 ? count : check(count, () => ({ syscall: "read", what: "cannot read an eventfd" }));
  }

  /**
   * As {@link read}, but busy-polls until there is something to take or the time is up. Blocks the thread, which can
   * still be ended.
   * @param timeoutMs milliseconds from 0; fractions count. Reads at least once.
   * @returns the value taken; 0 when the time was up.
   * @throws VfioRangeError `ERR_VFIO_WAIT_ARGUMENT`.
   */
  spin(timeoutMs: number): number {
    if (typeof timeoutMs !== "number" || !(timeoutMs >= 0)) checkWaitLimits({ timeoutMs });
    const microseconds = Math.min(Math.ceil(timeoutMs * 1000), LONGEST_MICROSECONDS);
    const slice = Math.min(microseconds, SLICE_MICROSECONDS);
    let count = kernel().eventfdSpin(this.#fd.fd, slice);
    if (count === 0 && microseconds > slice) count = this.#spinOn(microseconds - slice);
    return count >= 0 ? count : check(count, () => ({ syscall: "read", what: "cannot read an eventfd" }));
  }

  #spinOn(microseconds: number): number {
    return inSlices(
      microseconds,
      (slice) => kernel().eventfdSpin(this.#fd.fd, slice),
      (count) => count !== 0,
    );
  }

  /**
   * Adds to the counter: what a device's interrupt does.
   * @param count a whole number from 0 to 2^53 - 1.
   * @throws VfioRangeError `ERR_VFIO_EVENTFD_COUNT`; VfioSystemError EAGAIN if the counter (64 bits) would overflow.
   */
  signal(count = 1): void {
    if (!Number.isSafeInteger(count) || count < 0) throw countError(count);
    check(kernel().eventfdWrite(this.fd, count), () => ({
      syscall: "write",
      what: "cannot signal an eventfd",
    }));
  }

  /** Closing twice does nothing. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function countError(count: unknown): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_EVENTFD_COUNT",
    `an eventfd is signalled with a whole number from 0, not ${shownValue(count)}`,
  );
}

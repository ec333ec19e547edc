import { VfioError, VfioRangeError, VfioSystemError } from "./errors.js";
import type { HasFd } from "./fd.js";
import { kernel } from "./kernel.js";

/** A running watch on an fd; it keeps the process alive unless unref'd. */
export interface FdWatcher extends Disposable {
  /**
   * Ends the watch; twice does nothing. Do so before the fd is closed: until then the watch keeps the file open,
   * so that a socket's peer does not see it close.
   */
  stop(): void;
  /** Lets the watch keep the process alive, as it does at first. */
  ref(): void;
  /** Lets the process end although the watch is there. */
  unref(): void;
}

/**
 * Calls back whenever an fd is readable (or has room for writing), through the event loop of the calling thread.
 * The callback must drain the fd, or it is called again at once. Several watches on one fd are possible.
 * @throws VfioSystemError EPERM for what can't be waited for (ordinary files); VfioRangeError
 * `ERR_VFIO_WAIT_ARGUMENT` if the callback is no function.
 */
export function watchFd(file: HasFd, callback: () => void, forWriting = false): FdWatcher {
  if (typeof callback !== "function") throw argumentError("the callback must be a function");
  const watcher = kernel().watch(file.fd, forWriting, callback);
  if (typeof watcher === "number" && watcher < 0) {
    throw new VfioSystemError(watcher, { syscall: "epoll_ctl", what: `cannot wait for fd ${file.fd}` });
  }
  let running = true;
  const stop = (): void => {
    if (running) kernel().unwatch(watcher);
    running = false;
  };
  return {
    stop,
    ref: () => {
      if (running) kernel().watchRef(watcher);
    },
    unref: () => {
      if (running) kernel().watchUnref(watcher);
    },
    [Symbol.dispose]: stop,
  };
}

/** How long and until when to wait. */
export interface WaitOptions {
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. Default, and for Infinity: no limit. */
  readonly timeoutMs?: number | undefined;
  /** Wait for room to write instead of something to read. Default false. */
  readonly forWriting?: boolean;
  /** What is waited for, for the error message. */
  readonly what?: string;
}

/**
 * Waits until an fd is readable or writable, without blocking anything else.
 * @throws VfioError `ERR_VFIO_TIMEOUT`, `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_WAIT_ARGUMENT` for a timeout that
 * is no number from 0; the signal's reason when aborted (`ERR_VFIO_ABORTED` if that is no Error).
 * @example
 * ```ts
 * import { EventFd, waitForFd } from "@vfio/ioctl-native";
 *
 * using event = EventFd.create();
 * setTimeout(() => event.signal(), 10);
 * await waitForFd(event, { timeoutMs: 1000, what: "the signal" });
 * console.log(event.read()); // 1
 * ```
 */
export async function waitForFd(file: HasFd, options: WaitOptions = {}): Promise<void> {
  const { signal, timeoutMs, forWriting = false, what = `fd ${file.fd}` } = options;
  checkTimeout(timeoutMs);
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(reasonOf(signal));
    const finish = (settle: () => void): void => {
      watcher.stop();
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = (): void => finish(() => reject(reasonOf(signal)));
    const onTimeout = (): void => finish(() => reject(timeoutError(what, timeoutMs)));
    const watcher = watchFd(file, () => finish(resolve), forWriting);
    const timer = isLimit(timeoutMs) ? setTimeout(onTimeout, timeoutMs) : undefined;
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Node's timers fire at once for what exceeds 31 bits: nearly 25 days, which is as good as no limit. */
function isLimit(timeoutMs: number | undefined): boolean {
  return timeoutMs !== undefined && timeoutMs < 2 ** 31;
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || (typeof timeoutMs === "number" && timeoutMs >= 0)) return;
  throw argumentError(`timeoutMs must be a number from 0, not ${String(timeoutMs)}`);
}

function argumentError(problem: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_WAIT_ARGUMENT", problem);
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new VfioError("ERR_VFIO_ABORTED", `aborted: ${String(reason)}`);
}

function timeoutError(what: string, timeoutMs: number | undefined): VfioError {
  return new VfioError("ERR_VFIO_TIMEOUT", `no answer within ${timeoutMs} ms while waiting for ${what}`);
}

import { VfioError, VfioSystemError } from "./errors.js";
import type { HasFd } from "./fd.js";
import { kernel } from "./kernel.js";

/** A running watch on an fd; it keeps the process alive unless unref'd. */
export interface FdWatcher extends Disposable {
  /** Ends the watch. Do so before the fd is closed; twice does nothing. */
  stop(): void;
  ref(): void;
  unref(): void;
}

/**
 * Calls back whenever an fd is readable (or has room for writing), through the event loop of the calling thread.
 * The callback must drain the fd, or it is called again at once.
 */
export function watchFd(file: HasFd, callback: () => void, forWriting = false): FdWatcher {
  const watcher = kernel().watch(file.fd, forWriting, callback);
  if (typeof watcher === "number") {
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
  /** Milliseconds until `ERR_VFIO_TIMEOUT`. Default: no limit. */
  readonly timeoutMs?: number | undefined;
  readonly forWriting?: boolean;
  /** What is waited for, for the error message. */
  readonly what?: string;
}

/**
 * Waits until an fd is readable or writable, without blocking anything else.
 * @throws VfioError `ERR_VFIO_TIMEOUT`; the signal's reason when aborted.
 */
export function waitForFd(file: HasFd, options: WaitOptions = {}): Promise<void> {
  const { signal, timeoutMs, forWriting = false, what = `fd ${file.fd}` } = options;
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
    const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason : new VfioError("ERR_VFIO_ABORTED", `aborted: ${String(reason)}`);
}

function timeoutError(what: string, timeoutMs: number | undefined): VfioError {
  return new VfioError("ERR_VFIO_TIMEOUT", `no answer within ${timeoutMs} ms while waiting for ${what}`);
}

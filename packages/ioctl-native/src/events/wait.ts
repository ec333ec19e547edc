import { checkOptions, fdOf } from "../errors/argument-error.js";
import { VfioRangeError, VfioSystemError } from "../errors/errors.js";
import type { HasFd } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import { orUndo } from "../lifecycle/run-all.js";
import type { Deadline } from "./deadline.js";
import { checkWaitLimits, limitWait, type WaitLimits } from "./wait-limits.js";

/** A running watch on an fd; it keeps the process alive unless unref'd. */
export interface FdWatcher extends Disposable {
  /**
   * Ends the watch. Stopping twice does nothing. Stop before closing the fd: until then the watch keeps the file open,
   * and a socket's peer does not see it close.
   */
  stop(): void;
  /** Lets the watch keep the process alive: the default. */
  ref(): void;
  /** Lets the process end in spite of the watch. */
  unref(): void;
}

/**
 * Calls back whenever an fd is readable (or has room for writing), through the event loop of the calling thread. The
 * callback must drain the fd, or it is called again at once. An fd may have several watches. In Bun and Deno, whose
 * event loops no addon can use, a timer polls the fd every millisecond.
 * @throws VfioSystemError EPERM for ordinary files, which cannot be waited for; VfioRangeError `ERR_VFIO_WAIT_ARGUMENT`
 * if the callback is no function.
 */
export function watchFd(file: HasFd, callback: () => void, forWriting = false): FdWatcher {
  if (typeof callback !== "function") {
    throw new VfioRangeError("ERR_VFIO_WAIT_ARGUMENT", "the callback must be a function");
  }
  const fd = fdOf(file);
  const watcher = kernel().watch(fd, forWriting, callback);
  if (typeof watcher === "number" && watcher < 0) {
    throw new VfioSystemError(watcher, { syscall: "epoll_ctl", what: `cannot wait for fd ${fd}` });
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

/** Options of {@link waitForFd}. */
export interface WaitOptions extends WaitLimits {
  /** Wait for room to write instead of something to read. Default false. */
  readonly forWriting?: boolean;
  readonly what?: string;
}

/**
 * Waits until an fd is readable or writable, without blocking anything else.
 * @throws VfioError `ERR_VFIO_TIMEOUT`, `ERR_VFIO_CLOSED`; VfioRangeError `ERR_VFIO_WAIT_ARGUMENT` for a timeout that
 * is no number from 0 or a signal that is no AbortSignal; the signal's reason when aborted (`ERR_VFIO_ABORTED` if that is no Error).
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
  checkOptions("the options of waitForFd()", options);
  const { forWriting = false, what = `fd ${fdOf(file)}` } = options;
  checkWaitLimits(options);
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      watcher.stop();
      limit?.[Symbol.dispose]();
      settle();
    };
    const watcher = watchFd(file, () => finish(resolve), forWriting);
    const limit = orUndo(
      () => limitWait(options, what, (error) => finish(() => reject(error))),
      () => watcher.stop(),
    );
  });
}

/**
 * Waits until an fd is readable or the deadline is over, without saying which: after a busy spell of this process, both
 * can be true. Look at the fd first, then at the deadline.
 */
export function readableOrOver(file: HasFd, deadline: Deadline): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      watcher.stop();
      forget();
      resolve();
    };
    const watcher = watchFd(file, finish);
    const forget = deadline.onOver(finish);
  });
}

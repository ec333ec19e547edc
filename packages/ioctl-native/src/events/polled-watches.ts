import { clearInterval, setInterval } from "node:timers";
import type { Kernel } from "../kernel/system-calls.js";

const INTERVAL_MS = 1;

type FdCalls = Pick<Kernel, "ready" | "dup" | "close">;
type FdWatches = Pick<Kernel, "watch" | "unwatch" | "watchRef" | "watchUnref">;

interface PolledWatch {
  readonly copy: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Watches for runtimes whose event loop no addon can use: a timer polls each fd, a thousand times a second. As with
 * native watches, the fd may be closed during the watch, and a callback that throws is called again.
 */
export function polledWatches({ ready, dup, close }: FdCalls): FdWatches {
  const running = new Set<unknown>();
  const isRunning = (watch: unknown): watch is PolledWatch => running.has(watch);
  return {
    watch: (fd, forWriting, callback) => {
      const first = ready(fd, forWriting);
      if (first < 0) return first;
      const copy = dup(fd);
      if (copy < 0) return copy;
      const look = (): void => {
        if (ready(copy, forWriting) !== 0) callback();
      };
      const watch: PolledWatch = { copy, timer: setInterval(look, INTERVAL_MS) };
      running.add(watch);
      return watch;
    },
    unwatch: (watch) => {
      if (!isRunning(watch)) return;
      running.delete(watch);
      clearInterval(watch.timer);
      close(watch.copy);
    },
    watchRef: (watch) => {
      if (isRunning(watch)) watch.timer.ref();
    },
    watchUnref: (watch) => {
      if (isRunning(watch)) watch.timer.unref();
    },
  };
}

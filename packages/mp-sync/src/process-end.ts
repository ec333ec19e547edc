const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const works = new Set<() => void>();

/**
 * Does something when this process ends: by itself, by `process.exit`, an uncaught error, or SIGINT, SIGTERM and
 * SIGHUP. A program that handles such a signal itself decides when it ends; the work is done then.
 *
 * The library signal-exit would do this, but it takes a program that handles a signal with `process.once` for one
 * that does not, and ends it in the middle of its own clean-up: a `once` listener is gone when signal-exit counts.
 * @param work synchronous, and harmless when done twice.
 * @returns a function that forgets it.
 */
export function onProcessEnd(work: () => void): () => void {
  if (works.size === 0) listen();
  works.add(work);
  return () => {
    works.delete(work);
    if (works.size === 0) unlisten();
  };
}

function listen(): void {
  process.on("exit", doAll);
  // In front of all others, so that `once` listeners still count.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function unlisten(): void {
  process.removeListener("exit", doAll);
  for (const signal of SIGNALS) process.removeListener(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  // With a listener, Node no longer ends the process by itself. Without one it does, and with the right exit status.
  doAll();
  unlisten();
  process.kill(process.pid, signal);
}

function doAll(): void {
  for (const work of works) work();
}

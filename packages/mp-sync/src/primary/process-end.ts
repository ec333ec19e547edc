import { runAll } from "@vfio/ioctl-native/internal";
import { FirstProcess } from "./first-process.js";

const works = new Set<() => void>();
const firstProcess = process.pid === 1 ? new FirstProcess(process) : undefined;

/**
 * Does work when this thread ends in order: by itself, by `process.exit` or by an uncaught error. A signal that nobody
 * handles ends a process at once, without the work: a handler would have to wait for the event loop, which may be busy
 * for ever, and other libraries would take it for one that deals with the signal. So what is left behind must do no
 * harm. Only the first process of a container gets a handler: see {@link FirstProcess}.
 * @param work synchronous, and harmless when done twice.
 * @returns a function that cancels the work.
 */
export function onProcessEnd(work: () => void): () => void {
  if (works.size === 0) listen();
  works.add(work);
  return () => {
    if (works.delete(work) && works.size === 0) unlisten();
  };
}

function listen(): void {
  process.on("exit", doAll);
  firstProcess?.listen();
}

function unlisten(): void {
  process.removeListener("exit", doAll);
  firstProcess?.unlisten();
}

function doAll(): void {
  runAll([...works]);
}

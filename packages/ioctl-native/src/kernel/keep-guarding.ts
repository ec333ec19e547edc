import { isMainThread } from "node:worker_threads";

/** The part of the addon that puts its handler of SIGBUS back. */
export interface Guard {
  keepGuarding(): void;
}

/**
 * Lets the addon have SIGBUS also after `process.on("SIGBUS")`, by which memory that goes away ends nobody: libuv's handler
 * would replace the addon's, and return from a fault that then comes again for ever. The program's listeners get what is
 * sent to the process, as before. When the last of them goes, libuv gives the signal back to the kernel's default.
 *
 * Node.js has listeners of its own for both events, which are older and so have done that when these are called. It
 * watches for signals in the main thread only.
 */
export function keepGuarding(guard: Guard): void {
  if (!isMainThread) return;
  const again = (event: string | symbol): void => {
    if (event === "SIGBUS") guard.keepGuarding();
  };
  process.on("newListener", again);
  process.on("removeListener", again);
}

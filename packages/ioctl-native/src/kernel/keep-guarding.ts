import { isMainThread } from "node:worker_threads";

export interface Guard {
  keepGuarding(): void;
}

/**
 * Keeps the addon's SIGBUS handler, which survives memory that goes away, after `process.on("SIGBUS")`: libuv's handler
 * would replace it, and return from a fault that then recurs for ever. The program's listeners still get what is sent
 * to the process. When the last listener goes, libuv restores the kernel's default.
 *
 * Node.js's own listeners for both events are older, so libuv has done that when these run. Node.js watches for signals
 * in the main thread only.
 */
export function keepGuarding(guard: Guard): void {
  if (!isMainThread) return;
  const again = (event: string | symbol): void => {
    if (event === "SIGBUS") guard.keepGuarding();
  };
  process.on("newListener", again);
  process.on("removeListener", again);
}

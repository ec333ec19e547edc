import type { EventEmitter } from "node:events";
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type EndingSignal = (typeof SIGNALS)[number];

export interface SignalledProcess extends Pick<
  EventEmitter,
  "on" | "removeListener" | "listeners" | "listenerCount"
> {
  exit(code: number): void;
}

/**
 * Lets signals end the first process of a PID namespace, such as a container's: the kernel drops its signals without a
 * handler, also those that Node.js and other libraries resend to end it (pid_namespaces(7)).
 *
 * It listens only while nobody else does. So it never ends a program that handles a signal itself, other listeners do
 * not take it for a handler, and a library that removes its own handler to let the signal end the process succeeds.
 */
export class FirstProcess {
  readonly #process: SignalledProcess;

  constructor(signalled: SignalledProcess) {
    this.#process = signalled;
  }

  listen(): void {
    this.#process.on("newListener", this.#onAdded);
    this.#process.on("removeListener", this.#onRemoved);
    for (const signal of SIGNALS) this.#onRemoved(signal);
  }

  unlisten(): void {
    this.#process.removeListener("newListener", this.#onAdded);
    this.#process.removeListener("removeListener", this.#onRemoved);
    for (const signal of SIGNALS) this.#process.removeListener(signal, this.#end);
  }

  // The event comes before the listener is there; Node.js watches a signal from its first listener to its last. So ours
  // goes when the other one is in place, and before any signal is delivered.
  readonly #onAdded = (name: string | symbol, listener: unknown): void => {
    if (isEndingSignal(name) && listener !== this.#end) queueMicrotask(() => this.#giveWay(name));
  };

  readonly #onRemoved = (name: string | symbol): void => {
    if (isEndingSignal(name) && this.#process.listenerCount(name) === 0) this.#process.on(name, this.#end);
  };

  #giveWay(signal: EndingSignal): void {
    if (this.#process.listenerCount(signal) > 1) this.#process.removeListener(signal, this.#end);
  }

  readonly #end = (signal: EndingSignal): void => this.#process.exit(128 + constants.signals[signal]);
}

function isEndingSignal(name: string | symbol): name is EndingSignal {
  return SIGNALS.some((signal) => signal === name);
}

import { controlReader } from "./control-line.js";
import { bootTimedOut, commandTimedOut, endedEarly, setupFailed } from "../run/failures.js";
import { Hotplug } from "../machine/hotplug.js";
import type { LabError } from "../run/lab-error.js";
import type { LabResult } from "../run/lab-options.js";
import { Machine, type MachinePlan } from "../machine/machine.js";
import { aborted } from "../run/prepare-lab.js";

export interface SessionLimits {
  readonly command: readonly string[];
  readonly bootTimeoutMs: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onReady?: ((machine: Machine, bootMs: number) => void) | undefined;
}

export type SessionResult = Pick<LabResult, "exitCode" | "bootMs" | "runMs" | "console">;

/**
 * Boots a machine and stays until its command has ended, a limit is reached, or QEMU has ended. Leaves nothing behind
 * in any case.
 */
export async function runSession(plan: MachinePlan, limits: SessionLimits): Promise<SessionResult> {
  if (limits.signal?.aborted) throw aborted("before the machine was started", limits.signal.reason);
  const guest = new Guest();
  const hotplug = new Hotplug((port, text) => machine.write(port, text));
  const start = performance.now();
  await using machine = await Machine.start({
    ...plan,
    onPort: {
      ...plan.onPort,
      control: guest.read,
      hotplug: hotplug.fromGuest,
      monitor: hotplug.fromMonitor,
    },
  });
  using watch = new Watch(machine, guest, limits);
  const bootMs = await watch.timed(guest.ready, limits.bootTimeoutMs, start);
  limits.onReady?.(machine, bootMs);
  const runMs = await watch.timed(guest.exited, limits.timeoutMs);
  machine.kill();
  await machine.ended;
  return { exitCode: await guest.exited.promise, bootMs, runMs, console: machine.console.text };
}

class Guest {
  readonly ready = new Deferred<number>();
  readonly exited = new Deferred<number>();
  readonly failed = new Deferred<string>();
  isReady = false;

  readonly read = controlReader((message) => {
    if (message.type === "fail") return this.failed.resolve(message.what);
    if (message.type === "exit") return this.exited.resolve(message.code);
    this.isReady = true;
    this.ready.resolve(message.uptimeMs);
  });
}

/** All reasons to end a session early, as one promise that only ever rejects. */
class Watch implements Disposable {
  readonly #trouble = new Deferred<never>();
  readonly #machine: Machine;
  readonly #guest: Guest;
  readonly #limits: SessionLimits;
  readonly #onAbort = () =>
    this.#trouble.reject(aborted(`while ${this.#phase}`, this.#limits.signal?.reason));

  constructor(machine: Machine, guest: Guest, limits: SessionLimits) {
    this.#machine = machine;
    this.#guest = guest;
    this.#limits = limits;
    limits.signal?.addEventListener("abort", this.#onAbort);
    // Nobody listened while the machine was started.
    if (limits.signal?.aborted) this.#onAbort();
    void guest.failed.promise.then((what) => this.#trouble.reject(setupFailed(machine, what)));
    void machine.ended.then((end) => this.#trouble.reject(endedEarly(machine, end, this.#phase)));
  }

  [Symbol.dispose](): void {
    this.#limits.signal?.removeEventListener("abort", this.#onAbort);
  }

  /** Milliseconds from `start` to the promise's settling; rejects at the limit, or when the session cannot go on. */
  async timed(
    event: { readonly promise: Promise<unknown> },
    limitMs: number,
    start = performance.now(),
  ): Promise<number> {
    const timer = setTimeout(() => this.#trouble.reject(this.#timeout()), limitMs);
    try {
      await Promise.race([event.promise, this.#trouble.promise]);
      return Math.round(performance.now() - start);
    } finally {
      clearTimeout(timer);
    }
  }

  get #phase(): "booting" | "running" {
    return this.#guest.isReady ? "running" : "booting";
  }

  #timeout(): LabError {
    const { command, bootTimeoutMs, timeoutMs } = this.#limits;
    return this.#guest.isReady
      ? commandTimedOut(this.#machine, command, timeoutMs)
      : bootTimedOut(this.#machine, bootTimeoutMs);
  }
}

/** A promise settled from outside. (Promise.withResolvers came with Node.js 22.) */
class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (reason: Error) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Nobody may be waiting when it is rejected.
    this.promise.catch(() => undefined);
  }
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEvent, type PipelineEvent } from "../../src/pipeline/events.js";

const STOP_AFTER = path.join(import.meta.dirname, "stop-after.mjs");
const DIST = path.resolve(import.meta.dirname, "../../dist");

/** One of the pipeline's programs as a child process, with the events it has told so far. */
export class RoleProcess implements AsyncDisposable {
  readonly events: PipelineEvent[] = [];
  readonly child: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #watchers = new Set<() => void>();

  /** @param stopAfter the beginning of a step's title: after it the process stands still, see {@link stopped}. */
  constructor(
    program: "pipeline" | "primary" | "secondary" | "dpdk-join",
    args: readonly string[],
    stopAfter?: string,
  ) {
    const preload = stopAfter === undefined ? [] : ["--import", STOP_AFTER];
    const file = path.join(DIST, `${program}-main.js`);
    this.child = spawn(process.execPath, [...preload, file, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, STOP_AFTER: stopAfter },
    });
    this.#ended = this.#end();
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      const event = parseEvent(line);
      if (event !== undefined) this.events.push(event);
      for (const watcher of this.#watchers) watcher();
    });
  }

  /** The exit code, or the signal that ended it. */
  async ended(): Promise<number | string> {
    return this.#ended;
  }

  /** Waits until it has told an event; an error if it ends before. */
  async told(matches: (event: PipelineEvent) => boolean): Promise<PipelineEvent> {
    for (;;) {
      const event = this.events.find(matches);
      if (event !== undefined) return event;
      const more = new Promise<void>((resolve) => this.#watchers.add(resolve));
      const ended = await Promise.race([more.then(() => undefined), this.#ended]);
      if (ended !== undefined && !this.events.some(matches))
        throw new Error(`ended (${ended}) before it told that`);
    }
  }

  /** Waits until it stands still. It is as if it had been for ever: what happens to it now comes before its next step. */
  async stopped(): Promise<void> {
    const state = () => /^State:\t(\w)/m.exec(readFileSync(`/proc/${this.child.pid}/status`, "utf8"))?.[1];
    while (this.child.exitCode === null && this.child.signalCode === null && state() !== "T") await sleep(10);
  }

  async kill(signal: NodeJS.Signals): Promise<number | string> {
    this.child.kill(signal);
    return this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }

  async #end(): Promise<number | string> {
    const [code, signal] = (await once(this.child, "close")) as [number | null, string | null];
    return code ?? signal ?? "unknown";
  }
}

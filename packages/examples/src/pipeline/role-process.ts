import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { parseEvent, type PipelineEvent } from "./events.js";

/** How to watch and stop a role's process. */
export interface RoleProcessOptions {
  /** Gets every event as it happens. */
  readonly onEvent: (event: PipelineEvent) => void;
  /** Ends the process in order; at once if it is aborted already. */
  readonly signal?: AbortSignal | undefined;
}

/** One role as a child process. Its IPC channel tells it when this process dies, so that it does not stay behind. */
export class RoleProcess {
  /** True when the process has ended with success; rejects if it could not be started. */
  readonly ended: Promise<boolean>;
  /** True when the primary takes connections, false if it ended before. */
  readonly listening: Promise<boolean>;
  readonly #child: ChildProcess;

  constructor([program, ...args]: readonly [string, ...string[]], { onEvent, signal }: RoleProcessOptions) {
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
    const stop = (): void => this.stop();
    this.ended = this.#end().finally(() => signal?.removeEventListener("abort", stop));
    this.listening = this.#forwardEvents(onEvent);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  }

  stop(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
  }

  #end(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.once("close", (code) => resolve(code === 0));
    });
  }

  #forwardEvents(onEvent: (event: PipelineEvent) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const withoutListening = (): void => resolve(false);
      this.ended.then(withoutListening, withoutListening);
      // A process that could not be started may have no standard output.
      if (!this.#child.stdout) return;
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        const event = parseEvent(line);
        if (event === undefined) return void process.stderr.write(`${line}\n`);
        onEvent(event);
        if (event.event === "listening") resolve(true);
      });
    });
  }
}

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseEvent, type PipelineEvent, type Role } from "./events.js";
import { pipelineArguments, type PipelineOptions } from "./options.js";

/** How a pipeline is watched and stopped. */
export interface RunPipelineOptions extends PipelineOptions {
  /** Gets every event of both processes as it happens. */
  readonly onEvent: (event: PipelineEvent) => void;
  /** Ends both processes in order. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the primary and, once it listens, the secondary, as two processes; then ends the primary.
 * @returns true if both did all their work.
 */
export async function runPipeline(options: RunPipelineOptions): Promise<boolean> {
  const primary = new RoleProcess("primary", options);
  try {
    if (!(await primary.listening)) return false;
    const secondary = new RoleProcess("secondary", options);
    const secondaryWentWell = await secondary.ended;
    primary.stop();
    return (await primary.ended) && secondaryWentWell;
  } finally {
    primary.stop();
    await primary.ended;
  }
}

/** One role as a child process. Its IPC channel tells it when this process dies, so that it does not stay behind. */
class RoleProcess {
  /** True when the process has ended with success. */
  readonly ended: Promise<boolean>;
  /** True when the primary takes connections, false if it ended without. */
  readonly listening: Promise<boolean>;
  readonly #child: ChildProcess;

  constructor(role: Role, options: RunPipelineOptions) {
    const program = path.join(import.meta.dirname, `${role}-main.js`);
    this.#child = spawn(process.execPath, [program, ...pipelineArguments(options)], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    const stop = (): void => this.stop();
    options.signal?.addEventListener("abort", stop, { once: true });
    this.ended = this.#end().finally(() => options.signal?.removeEventListener("abort", stop));
    this.listening = this.#forwardEvents(options.onEvent);
  }

  stop(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
  }

  async #end(): Promise<boolean> {
    const [code] = (await once(this.#child, "close")) as [number | null];
    return code === 0;
  }

  #forwardEvents(onEvent: (event: PipelineEvent) => void): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#child.stdout === null) throw new Error("the child process has no standard output");
      createInterface({ input: this.#child.stdout }).on("line", (line) => {
        const event = parseEvent(line);
        if (event === undefined) return void process.stderr.write(`${line}\n`);
        onEvent(event);
        if (event.event === "listening") resolve(true);
      });
      void this.ended.then(() => resolve(false));
    });
  }
}

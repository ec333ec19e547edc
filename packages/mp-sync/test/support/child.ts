import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const FIXTURES = path.join(import.meta.dirname, "..", "fixtures");

/** How a child process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A fixture in a process of its own; killed, if it still runs, when disposed. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly ended: Promise<Ending>;
  /** The first line it printed. */
  readonly firstLine: Promise<string>;

  constructor(fixture: string, ...args: readonly string[]) {
    this.#process = spawn(process.execPath, [path.join(FIXTURES, fixture), ...args], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.ended = new Promise((resolve) => {
      this.#process.once("close", (code, signal) => resolve({ code, signal }));
    });
    const lines = createInterface({ input: this.#process.stdout! });
    this.firstLine = Promise.race([
      once(lines, "line").then(([line]) => String(line)),
      this.ended.then(({ code, signal }) => `ended with ${code ?? signal}, without a word`),
    ]);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  kill(signal: NodeJS.Signals): Promise<Ending> {
    this.#process.kill(signal);
    return this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }
}

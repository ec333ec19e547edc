import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";

const TESTS = path.join(import.meta.dirname, "..");

/** Arguments of `setpriv`: the kernel kills the program with us, however we end. */
export const WITH_US = ["--pdeathsig", "KILL", "--"];

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
  readonly #lines: Interface;

  /** @param fixture a file of `fixtures`, or of `lab/fixtures`. */
  constructor(fixture: string, ...args: readonly string[]) {
    const folder = fixture.startsWith("lab/") ? "lab/fixtures" : "fixtures";
    const file = path.join(TESTS, folder, path.basename(fixture));
    const program = [process.execPath, file, ...args];
    this.#process = spawn("setpriv", [...WITH_US, ...program], { stdio: ["pipe", "pipe", "ignore"] });
    this.ended = new Promise((resolve) => {
      this.#process.once("close", (code, signal) => resolve({ code, signal }));
    });
    this.#lines = createInterface({ input: this.#process.stdout! });
    this.firstLine = this.#nextLine();
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Writes a line to its standard input; what it prints next. */
  tell(line: string): Promise<string> {
    const answer = this.#nextLine();
    this.#process.stdin!.write(`${line}\n`);
    return answer;
  }

  kill(signal: NodeJS.Signals): Promise<Ending> {
    this.#process.kill(signal);
    return this.ended;
  }

  #nextLine(): Promise<string> {
    return Promise.race([
      once(this.#lines, "line").then(([line]) => String(line)),
      this.ended.then(({ code, signal }) => `ended with ${code ?? signal}, without a word`),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }
}

import { spawn, type ChildProcess } from "node:child_process";

const PROMPT = "testpmd> ";
/** Emulated, it needs some seconds to start. */
const LIMIT_MS = 120_000;

/** The first core takes commands, the second polls the port without a rest. */
export interface TestpmdOptions {
  readonly bdf: string;
  /** Its `--file-prefix`. */
  readonly prefix: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Debian's `dpdk-testpmd` as a DPDK primary in a process of its own, driven through its prompt. Not with `--in-memory`,
 * which would leave nobody to join.
 */
export class Testpmd implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  #output = "";
  #onOutput: (() => void) | undefined;

  private constructor({ bdf, prefix, signal }: TestpmdOptions) {
    // It writes its prompt unbuffered, but nothing else.
    this.#child = spawn("stdbuf", ["-oL", "dpdk-testpmd", ...argumentsFor(bdf, prefix)], {
      stdio: ["pipe", "pipe", "pipe"],
      ...(signal === undefined ? {} : { signal, killSignal: "SIGKILL" }),
    });
    const take = (chunk: Buffer): void => {
      this.#output += chunk.toString("utf8");
      this.#onOutput?.();
    };
    this.#child.stdout?.on("data", take);
    this.#child.stderr?.on("data", take);
    this.#child.stdin?.on("error", () => undefined);
    this.#ended = endOf(this.#child);
  }

  /** Resolves at the first prompt: then a guest can join. */
  static async start(options: TestpmdOptions): Promise<Testpmd> {
    const testpmd = new Testpmd(options);
    try {
      await testpmd.#prompt("its start");
      return testpmd;
    } catch (error) {
      await testpmd[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async command(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return this.#prompt(line);
  }

  /** Asks it to end, then kills it. @returns the exit status, or the signal that ended it. */
  async quit(): Promise<number | string> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), LIMIT_MS);
    this.#child.stdin?.write("quit\n");
    try {
      return await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #prompt(what: string): Promise<string> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve("did not answer"), LIMIT_MS);
    });
    const ended = this.#ended.then((how) => `ended (${how})`);
    try {
      for (;;) {
        const end = this.#output.indexOf(PROMPT);
        if (end >= 0) return this.#takeOutput(end);
        const more = new Promise<undefined>((resolve) => (this.#onOutput = () => resolve(undefined)));
        const trouble = await Promise.race([more, ended, late]);
        if (trouble !== undefined) throw new Error(`dpdk-testpmd ${trouble} after ${what}:\n${this.#output}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #takeOutput(end: number): string {
    const text = this.#output.slice(0, end);
    this.#output = this.#output.slice(end + PROMPT.length);
    return text;
  }
}

function argumentsFor(bdf: string, prefix: string): string[] {
  const eal = [
    "-l",
    "0,1",
    "-n",
    "1",
    "-m",
    "64",
    "--huge-unlink",
    "--no-telemetry",
    "--file-prefix",
    prefix,
  ];
  return [...eal, "-a", bdf, "--", "-i", "--nb-cores=1", "--total-num-mbufs=2048"];
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    // An abort is an error too, but leaves the process running.
    child.on("error", (error) => child.pid === undefined && resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
}

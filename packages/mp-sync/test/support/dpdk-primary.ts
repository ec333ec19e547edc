import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { WITH_US } from "./child.js";
import { freshPath } from "./folder.js";

const PROGRAM = path.join(import.meta.dirname, "..", "fixtures", "dpdk-primary.py");
/** The status of `setpriv` when there is no such program. */
const NOT_FOUND = 127;

/** What a fake DPDK primary is and does; see the program. */
export interface DpdkPlan {
  readonly size: 332 | 340;
  readonly magic: number;
  readonly version: number;
  readonly codes: {
    readonly container?: number;
    readonly newContainer?: number;
    readonly iommuType?: number;
  };
  readonly iommuType: number;
  readonly groups: readonly number[];
  readonly locked: boolean;
  readonly socket: "live" | "stale" | false;
  readonly behaviours: readonly string[];
}

/** One thing that it told. */
export interface DpdkEvent {
  readonly event: string;
  readonly req?: number;
  readonly value?: number;
  readonly peer?: string;
  readonly [more: string]: unknown;
}

const USUAL: DpdkPlan = {
  size: 332,
  magic: 19820526,
  version: 0x160b0b63,
  codes: { container: 0x100, iommuType: 0x400 },
  iommuType: 1,
  groups: [0, 7],
  locked: true,
  socket: "live",
  behaviours: ["answer"],
};

/** A DPDK primary in a process of its own, 22.11.11 unless it is told otherwise; killed when disposed. */
export class FakeDpdkPrimary implements AsyncDisposable {
  readonly directory: string;
  readonly events: DpdkEvent[] = [];
  readonly #process: ChildProcess;
  /** How it ended. */
  readonly #ended: Promise<string>;
  #onEvent: (() => void) | undefined;

  private constructor(directory: string, plan: DpdkPlan) {
    this.directory = directory;
    const program = ["python3", PROGRAM, directory, JSON.stringify(plan)];
    this.#process = spawn("setpriv", [...WITH_US, ...program], { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = endOf(this.#process);
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      this.events.push(JSON.parse(line) as DpdkEvent);
      this.#onEvent?.();
    });
  }

  static async start(plan: Partial<DpdkPlan> = {}): Promise<FakeDpdkPrimary> {
    const directory = freshPath();
    mkdirSync(directory, { mode: 0o700 });
    const primary = new FakeDpdkPrimary(directory, { ...USUAL, ...plan });
    await primary.told(1);
    return primary;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** The requests it got. */
  get asked(): DpdkEvent[] {
    return this.events.filter(({ event }) => event === "asked");
  }

  /** Waits until it has told so many things. */
  async told(count: number): Promise<void> {
    while (this.events.length < count) {
      const more = new Promise<void>((resolve) => (this.#onEvent = resolve));
      const ending = await Promise.race([more, this.#ended]);
      if (ending !== undefined && this.events.length < count)
        throw new Error(`the fake primary ${ending}; it told ${JSON.stringify(this.events)}`);
    }
  }

  /** The sockets of ours that lie in its directory now. */
  socketsLeft(): string[] {
    return readdirSync(this.directory).filter(
      (name) => name !== "mp_socket" && statSync(path.join(this.directory, name)).isSocket(),
    );
  }

  /** The same open file as one in its folder of VFIO nodes? */
  identityOf(node: string): string {
    const { dev, ino } = statSync(path.join(this.directory, "vfio", node));
    return `${dev}:${ino}`;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.#process.kill(signal);
    if (signal !== "SIGSTOP") await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}

/** How a child process ends, or why it did not begin. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", ({ message }) => resolve(`could not be started: ${message}`));
    child.once("close", (code, signal) => {
      const missing = "could not be started: there is no python3 (Debian's package has this name)";
      resolve(code === NOT_FOUND ? missing : `ended with ${code ?? signal}`);
    });
  });
}

import { spawn, type ChildProcessByStdio } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { countMappings } from "@vfio/test-support";

const PROGRAM = path.join(import.meta.dirname, "victim.mjs");
/** The secondary gives up after two seconds, at each of its requests. */
const LIMIT_MS = 30_000;

/** An error as it came out of the library. */
export interface ToldError {
  readonly name: string;
  readonly code?: string;
  readonly message: string;
  readonly syscall?: string;
  readonly hint?: string;
  readonly stack?: string;
  /** Whether `isVfioError` knows it. */
  readonly isOurs: boolean;
}

/** What a process holds, seen from outside. */
export interface Held {
  readonly fds: readonly string[];
  readonly mappings: number;
  readonly locked: string | undefined;
}

/** The process that runs everything a primary and a secondary do, again and again. */
export class Victim implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(bdf: string, socket: string) {
    this.#child = spawn(process.execPath, [PROGRAM, bdf, socket], { stdio: ["pipe", "pipe", "inherit"] });
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async start(bdf: string, socket: string): Promise<Victim> {
    const victim = new Victim(bdf, socket);
    await victim.#line();
    return victim;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Lets it do everything once: the errors that came of it. */
  async run(): Promise<readonly ToldError[]> {
    this.#child.stdin.write("\n");
    return JSON.parse(await this.#line()) as ToldError[];
  }

  held(): Held {
    const folder = `/proc/${this.pid}`;
    const read = (name: string): string => readFileSync(`${folder}/${name}`, "utf8");
    const fds = readdirSync(`${folder}/fd`).map((fd) => readlinkSync(`${folder}/fd/${fd}`));
    return {
      fds: fds.map((target) => target.replace(/\d+/g, "N")).sort(),
      mappings: countMappings(read("maps"), read("mounts")),
      locked: /^VmLck:\s*(.*)$/m.exec(read("status"))?.[1],
    };
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
    this.#reader.close();
  }

  async #line(): Promise<string> {
    const limit = new AbortController();
    const late = sleep(LIMIT_MS, undefined, { signal: limit.signal }).then(
      () => "late",
      () => "in time",
    );
    const next = await Promise.race([this.#lines.next(), late]);
    limit.abort();
    if (typeof next === "string") throw new Error(`it hangs: no answer within ${LIMIT_MS / 1000} s`);
    if (next.done === true) throw new Error(`it ended: ${this.#child.signalCode ?? this.#child.exitCode}`);
    return next.value;
  }
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A system call that is to fail, counted from when strace begins. */
export interface Fault {
  readonly syscall: string;
  readonly nth: number;
  readonly errno: string;
}

/** V8 maps memory too: only what is mapped of these files is ours. strace's names of them, without "(deleted)". */
const OUR_FILES = ["anon_inode:[vfio-device]", "/memfd:vfio-dma", "/memfd:vfio-hugepages", "/anon_hugepage"];

/** Debian's strace on a process's main thread. */
export class Strace {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "strace-"));
  readonly #log = path.join(this.#folder, "log");
  readonly #child;

  private constructor(pid: number, syscalls: readonly string[], fault: Fault | undefined) {
    const files = syscalls.includes("mmap") ? OUR_FILES.flatMap((file) => ["-P", file]) : [];
    const inject = fault === undefined ? [] : ["-e", injection(fault)];
    const args = [
      "-y",
      "-o",
      this.#log,
      "-p",
      String(pid),
      "-e",
      `trace=${syscalls.join(",")}`,
      ...files,
      ...inject,
    ];
    this.#child = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] });
  }

  /** Begins, and returns when strace has the process. */
  static async on(pid: number, syscalls: readonly string[], fault?: Fault): Promise<Strace> {
    const strace = new Strace(pid, syscalls, fault);
    let said = "";
    for await (const chunk of strace.#child.stderr.iterator({ destroyOnReturn: false })) {
      said += String(chunk);
      if (said.includes("attached")) return strace;
    }
    throw new Error(`strace does not begin: ${said}`);
  }

  /** Lets go of the process. Returns the calls that were seen, a line each. */
  async end(): Promise<readonly string[]> {
    const ended = once(this.#child, "close");
    this.#child.stderr.resume();
    this.#child.kill("SIGINT");
    await ended;
    const lines = readFileSync(this.#log, "utf8")
      .split("\n")
      .filter((line) => /^\w+\(/.test(line));
    rmSync(this.#folder, { recursive: true });
    return lines;
  }
}

function injection({ syscall, errno, nth }: Fault): string {
  return `inject=${syscall}:error=${errno}:when=${nth}`;
}

import { spawn, type ChildProcess } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { ConsoleLog } from "../guest/console-log.js";
import { Port, type PortName } from "./ports.js";
import { qemuArguments, type QemuPlan } from "./qemu-arguments.js";
import { makeScratchDirectory, removeScratchDirectory } from "../host/scratch-directory.js";
import { withLabErrors } from "../host/system-failure.js";

export interface QemuEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly complaints: string;
}

export interface MachinePlan extends Omit<QemuPlan, "sockets" | "jobDirectory"> {
  readonly qemu: string;
  readonly writeJob: (directory: string) => Promise<void>;
  /** The input of each channel; only these channels exist. */
  readonly onPort: Readonly<Partial<Record<PortName, (chunk: Buffer) => void>>>;
  readonly onConsole?: ((chunk: Buffer) => void) | undefined;
}

/** A running QEMU with its channels. Disposing kills QEMU and removes every file. */
export class Machine implements AsyncDisposable {
  readonly console = new ConsoleLog();
  readonly #directory: string;
  readonly #ports = new Map<PortName, Port>();
  readonly #onExit = () => this.#killAndRemove();
  #qemu: ChildProcess | undefined;
  #ended: Promise<QemuEnd> = Promise.resolve({ code: null, signal: null, complaints: "" });

  private constructor(directory: string) {
    this.#directory = directory;
    process.on("exit", this.#onExit);
  }

  /** Everything that can be refused here lies in the folder for temporary files. */
  static start(plan: MachinePlan): Promise<Machine> {
    return withLabErrors(() => Machine.#started(plan), os.tmpdir());
  }

  static async #started(plan: MachinePlan): Promise<Machine> {
    const machine = new Machine(await makeScratchDirectory());
    try {
      await machine.#start(plan);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#qemu?.pid;
  }

  /** Resolves when QEMU has ended, for any reason, and all its output was passed on. */
  get ended(): Promise<QemuEnd> {
    return this.#ended;
  }

  write(port: PortName, bytes: Buffer | string): void {
    this.#ports.get(port)?.write(bytes);
  }

  /** Ends QEMU at once; the guest's output so far is not lost. */
  kill(): void {
    this.#qemu?.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#ended;
    for (const port of this.#ports.values()) await port.drained();
    process.off("exit", this.#onExit);
    removeScratchDirectory(this.#directory);
  }

  async #start(plan: MachinePlan): Promise<void> {
    const jobDirectory = path.join(this.#directory, "job");
    await plan.writeJob(jobDirectory);
    const sockets: Partial<Record<PortName, string>> = {};
    for (const [name, onData] of Object.entries(plan.onPort) as [PortName, (chunk: Buffer) => void][]) {
      const port = await Port.open(this.#directory, name, onData);
      this.#ports.set(name, port);
      sockets[name] = port.socketPath;
    }
    this.#spawn(plan.qemu, qemuArguments({ ...plan, jobDirectory, sockets }), plan.onConsole);
  }

  /** pdeathsig: the kernel kills QEMU when this process dies, even by SIGKILL. */
  #spawn(qemu: string, args: readonly string[], onConsole?: (chunk: Buffer) => void): void {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", qemu, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#qemu = child;
    let complaints = "";
    child.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      this.console.append(chunk);
      onConsole?.(chunk);
    });
    this.#ended = new Promise<QemuEnd>((resolve) => {
      child.once("error", (error) => resolve({ code: 127, signal: null, complaints: error.message }));
      child.once("close", (code, signal) => resolve({ code, signal, complaints: complaints.trim() }));
    }).then(async (end) => {
      for (const port of this.#ports.values()) await port.drained();
      return end;
    });
  }

  #killAndRemove(): void {
    this.kill();
    removeScratchDirectory(this.#directory);
  }
}

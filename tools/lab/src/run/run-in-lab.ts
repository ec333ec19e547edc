import { realpath, stat } from "node:fs/promises";
import path from "node:path";
import { chooseAccelerator } from "../machine/accelerator.js";
import { runSession, type SessionResult } from "../guest/guest-session.js";
import { guestEnvironment, writeJob, type Job } from "../guest/job.js";
import { LabError } from "./lab-error.js";
import type { Accelerator, LabOptions, LabResult } from "./lab-options.js";
import type { MachinePlan } from "../machine/machine.js";
import { makeFolder } from "../host/make-folder.js";
import { prepareLab, type PreparedLab } from "./prepare-lab.js";
import { withLabErrors } from "../host/system-failure.js";

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
const DEFAULT_BOOT_TIMEOUT_MS = 2 * 60_000;
/** With KVM the guest is up within a few seconds or not at all. */
const KVM_PROBE_MS = 20_000;

/**
 * Boots a machine with an IOMMU, runs one command in it as root, and returns its output and exit code. The guest sees
 * the host's files (same paths, same Node.js) but cannot change them; it writes files to `outputDirectory`.
 *
 * @param command - Program and arguments, without a shell.
 * @throws LabError with one of the codes in {@link LabErrorCode}; a command that fails is a result, not an error.
 */
export function runInLab(command: readonly string[], options: LabOptions = {}): Promise<LabResult> {
  return withLabErrors(() => run(command, options));
}

async function run(command: readonly string[], options: LabOptions): Promise<LabResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  const lab = await prepareLab(options);
  const request = await readRequest(command, options);
  const accelerator = await pickAccelerator(lab, options);
  const session = await runSession(
    {
      ...planFor(lab, request, options, accelerator),
      onPort: {
        stdout: collector(stdout, options.onStdout),
        stderr: collector(stderr, options.onStderr),
      },
    },
    limitsOf(command, options),
  );
  return {
    ...session,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
    kernel: lab.kernel.release,
    accelerator,
  };
}

export interface Request {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly shows: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly outputDirectory: string | undefined;
}

export async function readRequest(command: readonly string[], options: LabOptions): Promise<Request> {
  if (!command[0])
    throw badArgument("The command is empty", 'Pass a program and its arguments, such as ["uname", "-a"].');
  const outputDirectory =
    options.outputDirectory === undefined ? undefined : path.resolve(options.outputDirectory);
  if (outputDirectory !== undefined) await makeFolder(outputDirectory);
  const cwd = await existingFolder(options.cwd ?? process.cwd());
  const shows = await Promise.all((options.shows ?? []).map(existingFolder));
  return {
    command,
    cwd,
    shows: [...shows, ...(await programFiles(command[0], cwd))],
    env: guestEnvironment(process.env, options.env ?? {}, outputDirectory !== undefined),
    outputDirectory,
  };
}

/** Without symbolic links: one that points into /tmp would lead nowhere in the guest. */
async function existingFolder(folder: string): Promise<string> {
  const real = await realpath(folder).catch(() => undefined);
  if (real !== undefined && (await stat(real)).isDirectory()) return real;
  throw badArgument(`${folder} is not a folder`, "Pass an existing folder.");
}

/**
 * The running Node.js and the command's program, without symbolic links. The guest's shell reports a missing program.
 */
async function programFiles(program: string, cwd: string): Promise<string[]> {
  const named = program.includes("/") ? [path.resolve(cwd, program)] : [];
  const files = [process.execPath, ...named].map((file) => realpath(file).catch(() => []));
  return (await Promise.all(files)).flat();
}

function badArgument(message: string, hint: string): LabError {
  return new LabError("ERR_LAB_BAD_ARGUMENT", message, { hint });
}

export function planFor(
  lab: PreparedLab,
  request: Request,
  options: LabOptions,
  accelerator: Accelerator,
  terminal?: Job["terminal"],
): Omit<MachinePlan, "onPort"> {
  const modules = path.join(lab.kernel.root, "lib/modules", lab.kernel.release);
  const job = { ...request, modules, hasOutput: request.outputDirectory !== undefined, terminal };
  return {
    qemu: lab.qemu,
    machine: options.machine ?? {},
    accelerator,
    kernelImage: lab.kernel.image,
    initrd: lab.initrd,
    outputDirectory: request.outputDirectory,
    writeJob: (directory) => writeJob(directory, job),
    onConsole: options.onConsole,
  };
}

export function limitsOf(command: readonly string[], options: LabOptions) {
  options.onProgress?.({ stage: "boot", message: "Booting the guest" });
  return {
    command,
    bootTimeoutMs: options.bootTimeoutMs ?? DEFAULT_BOOT_TIMEOUT_MS,
    timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal: options.signal,
    onReady: (_machine: unknown, bootMs: number) =>
      options.onProgress?.({ stage: "run", message: `Guest is up after ${(bootMs / 1000).toFixed(1)} s` }),
  };
}

/** The caller's choice, or the one that works here. */
export async function pickAccelerator(lab: PreparedLab, options: LabOptions): Promise<Accelerator> {
  const { accelerator = "auto" } = options.machine ?? {};
  if (accelerator !== "auto") return accelerator;
  return chooseAccelerator(lab.cache, async () => {
    options.onProgress?.({ stage: "accelerator", message: "Trying KVM (once)" });
    return bootsWithKvm(lab, options.signal);
  });
}

async function bootsWithKvm(lab: PreparedLab, signal: AbortSignal | undefined): Promise<boolean> {
  const command = ["true"];
  const request = await readRequest(command, { cwd: "/" });
  const plan = { ...planFor(lab, request, {}, "kvm"), onPort: { stdout: ignore, stderr: ignore } };
  try {
    const limits = { command, bootTimeoutMs: KVM_PROBE_MS, timeoutMs: KVM_PROBE_MS, signal };
    const { exitCode }: SessionResult = await runSession(plan, limits);
    return exitCode === 0;
  } catch (error) {
    if (signal?.aborted) throw error;
    return false;
  }
}

function collector(chunks: Buffer[], also?: (chunk: Buffer) => void): (chunk: Buffer) => void {
  return (chunk) => {
    chunks.push(chunk);
    also?.(chunk);
  };
}

function ignore(): void {
  // The probe's output does not matter.
}

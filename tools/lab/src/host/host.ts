import { execFile, type ExecFileException } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { statfs } from "node:fs/promises";
import path from "node:path";

/** What a finished program left behind. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How {@link Host.run} runs a program. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** The machine the lab stands on. The one seam through which the set-up reaches it, so that tests can stand in for it. */
export interface Host {
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Full path of a program, or undefined. */
  findProgram(name: string): string | undefined;
  /** Runs a program to its end; a non-zero exit is a result, not an error. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<ProgramResult>;
  /** Free bytes of the file system a path is on. */
  freeBytes(directory: string): Promise<number>;
}

const OUTPUT_LIMIT = 64 << 20;

/** The real machine. */
export const realHost: Host = {
  platform: process.platform,
  arch: process.arch,
  isRoot: process.getuid?.() === 0,
  env: process.env,
  findProgram,
  run: runProgram,
  async freeBytes(directory) {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
};

/** depmod and modprobe live in /usr/sbin, which is not in everybody's PATH. */
function findProgram(name: string): string | undefined {
  const folders = [
    ...(process.env.PATH ?? "").split(path.delimiter),
    "/usr/sbin",
    "/sbin",
    "/usr/bin",
    "/bin",
  ];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const { cwd, env, signal } = options;
  return new Promise((resolve, reject) => {
    execFile(
      findProgram(program) ?? program,
      args,
      { cwd, signal, env: { ...process.env, ...env, LC_ALL: "C" }, maxBuffer: OUTPUT_LIMIT },
      (error, stdout, stderr) => {
        if (error instanceof Error && !hasExitCode(error)) reject(error);
        else resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
      },
    );
  });
}

function hasExitCode(error: ExecFileException): boolean {
  return typeof error.code === "number";
}

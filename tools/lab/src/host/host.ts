import { statfs } from "node:fs/promises";
import type { Runner } from "@vfio/set-up/apt.js";
import { findProgram, runToEnd } from "@vfio/set-up/run-program.js";

export type { ProgramResult, RunOptions } from "@vfio/set-up/run-program.js";

/** The machine the lab stands on: the seam where tests replace it. */
export interface Host extends Runner {
  readonly platform: string;
  readonly arch: string;
  readonly isRoot: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  findProgram(name: string): string | undefined;
  freeBytes(directory: string): Promise<number>;
}

export const realHost: Host = {
  platform: process.platform,
  arch: process.arch,
  isRoot: process.getuid?.() === 0,
  env: process.env,
  findProgram,
  run: (program, args, options) => runToEnd(findProgram(program) ?? program, args, options),
  async freeBytes(directory) {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  },
};

import { readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

const PREFIX = "vfio-lab-";
/** A Unix socket's path has at most 107 bytes. */
const LONGEST_DIRECTORY = 80;

/**
 * A private folder (mkdtemp makes it 0700), named after this process so that a later run can tell when it is abandoned.
 */
export async function makeScratchDirectory(): Promise<string> {
  const base = os.tmpdir().length > LONGEST_DIRECTORY ? "/tmp" : os.tmpdir();
  removeAbandoned(base);
  return mkdtemp(path.join(base, `${PREFIX}${process.pid}-`));
}

/** Works in an exit handler. */
export function removeScratchDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** A process ended by SIGKILL cannot tidy up; the next one does. */
function removeAbandoned(base: string): void {
  for (const name of readdirSync(base)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isRunning(Number(pid))) continue;
    try {
      removeScratchDirectory(path.join(base, name));
    } catch {
      // Another user's: not ours to remove.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

import { mkdtemp, rename, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Host } from "./host.js";
import { isErrno } from "./is-errno.js";
import { LabError } from "../run/lab-error.js";
import { makeFolder } from "./make-folder.js";

/** In the user's cache directory: kernel, initrd, and facts about this host. */
export function cacheDirectory(host: Pick<Host, "env">): string {
  const base = host.env.XDG_CACHE_HOME;
  // By the XDG specification, a relative path there is ignored.
  const root = base && path.isAbsolute(base) ? base : path.join(os.homedir(), ".cache");
  return path.join(root, "vfio-lab");
}

export async function requireFreeSpace(host: Host, directory: string, bytes: number): Promise<void> {
  await makeFolder(directory);
  const free = await host.freeBytes(directory);
  if (free >= bytes) return;
  throw diskFull(
    `${directory} has ${mebibytes(free)} MiB free; the lab's kernel needs ${mebibytes(bytes)} MiB there while it is unpacked`,
  );
}

interface DiskFullParts {
  /** Default: the remedy for the cache. */
  readonly hint?: string;
  readonly cause?: unknown;
}

const FREE_THE_CACHE = "Free some space, or point XDG_CACHE_HOME at a larger disk.";

export function diskFull(message: string, { hint = FREE_THE_CACHE, cause }: DiskFullParts = {}): LabError {
  return new LabError("ERR_LAB_DISK_FULL", message, { hint, cause });
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / (1 << 20));
}

/**
 * `fill` works in a temporary neighbour that gets the final name at the end, so a half-made folder is never used. If
 * another process was faster, its folder stays.
 */
export async function makeDirectoryAtOnce(
  target: string,
  fill: (directory: string) => Promise<void>,
): Promise<void> {
  await makeFolder(path.dirname(target));
  const draft = await mkdtemp(`${target}.draft-`);
  try {
    await fill(draft);
    await rename(draft, target).catch((error: unknown) => {
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
    });
  } catch (error) {
    if (isErrno(error, "ENOSPC")) throw diskFull(`The disk of ${target} is full`, { cause: error });
    throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

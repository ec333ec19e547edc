import { createHash } from "node:crypto";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const RETRY_MS = 5;
const PATIENCE_MS = 1000;

/**
 * Lets one process at a time check a socket file and replace it: two primaries must not take over the same stale file.
 * The lock is an abstract socket, which the kernel frees with its holder, kill -9 included. Any user can occupy its
 * name, so after a second the work goes on without it: the lock must not keep a primary from starting.
 */
export async function withTakeoverLock<T>(socketFile: string, work: () => T): Promise<T> {
  const lock = await acquire(lockName(socketFile));
  try {
    return work();
  } finally {
    if (lock !== undefined) await release(lock);
  }
}

async function acquire(name: string): Promise<net.Server | undefined> {
  const giveUp = Date.now() + PATIENCE_MS;
  do {
    const lock = net.createServer();
    try {
      // `exclusive`: a cluster worker takes the lock itself instead of sharing its parent's.
      await once(lock.listen({ path: name, exclusive: true }), "listening");
      return lock;
    } catch {
      await sleep(RETRY_MS);
    }
  } while (Date.now() < giveUp);
  return undefined;
}

async function release(lock: net.Server): Promise<void> {
  lock.close();
  await once(lock, "close");
}

function lockName(socketFile: string): string {
  const file = path.join(realFolder(path.dirname(socketFile)), path.basename(socketFile));
  return `\0vfio-mp-sync-${createHash("sha256").update(file).digest("hex").slice(0, 32)}`;
}

function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

import { fdOf } from "../errors/argument-error.js";
import { VfioSystemError } from "../errors/errors.js";
import type { HasFd } from "./fd.js";
import { kernel } from "../kernel/kernel.js";
import type { LockHolder } from "../kernel/system-calls.js";

/**
 * The holder of a POSIX lock on a file (`fcntl(2)`, F_GETLK): programs lock a file to show that they run. Locks of the
 * calling process do not count.
 */
export function lockHolder(file: HasFd, name: string): LockHolder {
  const holder = kernel().lockHolder(fdOf(file));
  if (typeof holder !== "number") return { locked: holder.locked, pid: Math.max(holder.pid, 0) };
  throw new VfioSystemError(holder, { syscall: "fcntl", what: `cannot see who has locked ${name}` });
}

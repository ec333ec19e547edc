import { constants } from "node:fs";
import {
  errnoOf,
  hasErrno,
  kernel,
  SeqpacketSocket,
  VfioError,
  VfioSystemError,
  waitForFd,
} from "@vfio/ioctl-native";
import { processName } from "@vfio/ioctl-native/internal";
import { encodeInt, INT_BYTES } from "../wire/protocol.js";
import { fdHint } from "./system-hints.js";

const FAREWELL_MS = 500;

/**
 * What is at a path: nothing, a dead primary's socket file, or a live primary (with a connection, if it had room for
 * one).
 */
export type Occupant = "absent" | "stale" | { readonly live: SeqpacketSocket | undefined };

/**
 * Finds out whether a process listens on a socket file.
 * @throws VfioError `ERR_VFIO_SOCKET_PATH_OCCUPIED` if something else is there; VfioSystemError.
 */
export function probeSocketFile(file: string): Occupant {
  const stat = kernel().stat(file);
  if (stat === errnoOf("ENOENT")) return "absent";
  if (typeof stat === "number") throw probeError(stat, "stat", file);
  if ((stat.mode & constants.S_IFMT) !== constants.S_IFSOCK) throw occupiedError(file, "is not a socket");
  return connectToOccupant(file);
}

function connectToOccupant(file: string): Occupant {
  try {
    return { live: SeqpacketSocket.connect(file) };
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return "absent";
    if (hasErrno(error, "ECONNREFUSED")) return "stale";
    if (hasErrno(error, "EAGAIN")) return { live: undefined };
    if (hasErrno(error, "EPROTOTYPE"))
      throw occupiedError(file, "is a live socket of another type, so of another program");
    throw hasErrno(error) ? probeError(error.errno, error.syscall, file) : error;
  }
}

/** @throws VfioError `ERR_VFIO_PRIMARY_ALREADY_RUNNING`, always, with the primary's name. */
export async function refuseLivePrimary(file: string, { live }: Exclude<Occupant, string>): Promise<never> {
  const owner = live === undefined ? "its queue is full, so it did not say who it is" : ownerOf(live);
  if (live !== undefined) await takeLeave(live);
  throw new VfioError("ERR_VFIO_PRIMARY_ALREADY_RUNNING", `a primary already listens on ${file}: ${owner}`, {
    hint: "Stop it, start this process as its secondary (connectToPrimary), or give this primary another prefix",
  });
}

function ownerOf(live: SeqpacketSocket): string {
  try {
    const { pid, uid } = live.peer;
    return `process ${pid} (${processName(pid) ?? "name unknown"}), uid ${uid}`;
  } catch {
    return "it left just now";
  }
}

// A 2014 primary answers even a connection that is closed at once, and then dies of SIGPIPE. So send a request that is
// none (0), and wait for the answer.
async function takeLeave(live: SeqpacketSocket): Promise<void> {
  try {
    live.send(encodeInt(0));
    await waitForFd(live, { timeoutMs: FAREWELL_MS });
    live.receive(INT_BYTES);
  } catch {
    return;
  } finally {
    live.close();
  }
}

function occupiedError(file: string, what: string): VfioError {
  return new VfioError("ERR_VFIO_SOCKET_PATH_OCCUPIED", `cannot listen on ${file}: it ${what}`, {
    hint: "The file is left alone; remove it, or choose another prefix or path",
  });
}

function probeError(errno: number, syscall: string, file: string): VfioSystemError {
  const what = `cannot tell whether a primary runs at ${file}`;
  return new VfioSystemError(errno, { syscall, what, path: file, hint: probeHint(errno) });
}

function probeHint(errno: number): string | undefined {
  if (errno !== errnoOf("EACCES")) return fdHint(errno);
  return `The file there belongs to another user than uid ${process.getuid?.()}, or its folder is closed to this one`;
}

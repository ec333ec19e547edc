import { randomBytes } from "node:crypto";
import path from "node:path";
import { check, hasErrno, kernel, SeqpacketListener, VfioSystemError } from "@vfio/ioctl-native";
import { runAll, undo } from "@vfio/ioctl-native/internal";
import { probeSocketFile, refuseLivePrimary } from "./socket-probe.js";
import { checkLength } from "./socket-path.js";
import { fdHint, socketFileHint } from "./system-hints.js";
import { withTakeoverLock } from "./takeover-lock.js";

// The kernel caps it at net.core.somaxconn.
const BACKLOG = 4096;

export class SocketFile implements Disposable {
  readonly path: string;
  readonly listener: SeqpacketListener;
  readonly #inode: number;

  private constructor(file: string, listener: SeqpacketListener, inode: number) {
    this.path = file;
    this.listener = listener;
    this.#inode = inode;
  }

  /**
   * Listens on a socket file, and replaces a stale one.
   * @throws VfioError `ERR_VFIO_PRIMARY_ALREADY_RUNNING`, `ERR_VFIO_SOCKET_PATH_OCCUPIED`;
   * VfioSystemError.
   */
  static async claim(file: string): Promise<SocketFile> {
    const result = await withTakeoverLock(file, () => {
      const occupant = probeSocketFile(file);
      return occupant === "absent" || occupant === "stale" ? SocketFile.#replace(file) : occupant;
    });
    return result instanceof SocketFile ? result : refuseLivePrimary(file, result);
  }

  // Between bind() and listen() the file looks stale, and unlink() before bind() would leave a moment without one. So
  // the socket listens under another name first, and rename() puts it in place.
  static #replace(file: string): SocketFile {
    const temporary = path.join(path.dirname(file), `.${randomBytes(4).toString("hex")}`);
    checkLength(temporary);
    const listener = listen(temporary, file);
    try {
      const inode = inodeOf(temporary);
      const renamed = kernel().rename(temporary, file);
      check(renamed, () => ({
        syscall: "rename",
        what: `cannot put the socket in place at ${file}`,
        path: file,
        hint: socketFileHint(renamed),
      }));
      return new SocketFile(file, listener, inode);
    } catch (error) {
      undo(error, [() => void kernel().unlink(temporary), () => listener.close()]);
    }
  }

  /** Removes the file if it is still this socket's: another primary may have put its own there. */
  remove(): void {
    const stat = kernel().stat(this.path);
    if (typeof stat !== "number" && stat.inode === this.#inode) kernel().unlink(this.path);
  }

  /** Removes the file, then stops listening: nobody takes the file over while it listens. */
  close(): void {
    runAll([() => this.remove(), () => this.listener.close()]);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function listen(temporary: string, file: string): SeqpacketListener {
  try {
    return SeqpacketListener.listen(temporary, BACKLOG);
  } catch (error) {
    if (!hasErrno(error)) throw error;
    const { errno, syscall } = error;
    const hint = syscall === "bind" ? socketFileHint(errno) : fdHint(errno);
    const what = `cannot listen on ${file}`;
    throw new VfioSystemError(errno, { syscall, what, path: file, hint, cause: error });
  }
}

function inodeOf(file: string): number {
  const stat = kernel().stat(file);
  if (typeof stat !== "number") return stat.inode;
  throw new VfioSystemError(stat, { syscall: "stat", what: `cannot look at ${file}`, path: file });
}

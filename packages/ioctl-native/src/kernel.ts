import {
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { errnoOfError } from "./errors.js";
import { loadAddon } from "./load-addon.js";

/** One register accessor each, on one mapping; a read-only mapping has no `write…` functions. */
export interface RegisterFunctions {
  read8(offset: number): number;
  read16(offset: number): number;
  read32(offset: number): number;
  read64(offset: number): bigint;
  write8(offset: number, value: number): void;
  write16(offset: number, value: number): void;
  write32(offset: number, value: number): void;
  write64(offset: number, value: bigint): void;
}

/** What one `recvmsg` brought. No bytes and no fds: the peer left. */
export interface ReceivedPacket {
  readonly bytes: Uint8Array;
  readonly fds: number[];
  /** True if bytes or fds did not fit and the kernel threw the rest away. */
  readonly truncated: boolean;
}

/** The process at the other end of a local socket, as the kernel saw it when it connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Everything this library asks of the operating system: one seam, behind which tests can put a kernel of their own.
 * Every function returns what the system call returned, or `-errno`; none throws.
 */
export interface Kernel {
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  dup(fd: number): number;
  ioctl(fd: number, request: number, argument: number | Uint8Array): number;
  pread(fd: number, bytes: Uint8Array, offset: number): number;
  pwrite(fd: number, bytes: Uint8Array, offset: number): number;
  truncate(fd: number, bytes: number): number;
  memfdCreate(name: string, flags: number): number;
  memlockLimit(): number | { current: number; maximum: number };

  eventfd(): number;
  eventfdRead(fd: number): number;
  eventfdWrite(fd: number, count: number): number;

  map(
    fd: number,
    offset: number,
    bytes: number,
    writable: boolean,
    populate: boolean,
    address: bigint | undefined,
  ): number;
  mappingAddress(handle: number): bigint | number;
  mappingLength(handle: number): number;
  mappingView(handle: number): ArrayBuffer | number;
  detachView(view: ArrayBuffer): void;
  unmap(handle: number): number;
  registers(handle: number): RegisterFunctions | number;

  socketListen(path: string, backlog: number): number;
  socketConnect(path: string): number;
  socketAccept(fd: number): number;
  socketSend(fd: number, bytes: Uint8Array, fds: readonly number[]): number;
  socketReceive(fd: number, maxBytes: number, maxFds: number): ReceivedPacket | number;
  socketPeer(fd: number): PeerCredentials | number;

  watch(fd: number, forWriting: boolean, callback: () => void): unknown;
  unwatch(watcher: unknown): void;
  watchRef(watcher: unknown): void;
  watchUnref(watcher: unknown): void;

  /** A file's text (sysfs, procfs), or `-errno`. */
  readText(path: string): string | number;
  writeText(path: string, text: string): number;
  readLink(path: string): string | number;
  list(path: string): string[] | number;
  unlink(path: string): number;
  rename(from: string, to: string): number;
  /** `{ mode, uid, gid, inode }` of a file, or `-errno`. */
  stat(path: string): { mode: number; uid: number; gid: number; inode: number } | number;
}

type Addon = Omit<Kernel, "readText" | "writeText" | "readLink" | "list" | "unlink" | "rename" | "stat">;

let current: Kernel | undefined;

/** The kernel in use: the real one, unless {@link useKernel} put another in its place. */
export function kernel(): Kernel {
  return (current ??= realKernel());
}

/**
 * Puts another kernel behind the whole library, for unit tests.
 * @returns a disposable that brings the former one back.
 */
export function useKernel(replacement: Kernel): Disposable {
  const former = current;
  current = replacement;
  return {
    [Symbol.dispose]() {
      current = former;
    },
  };
}

/** The real kernel: system calls through the addon, plain files through `node:fs`. */
export function realKernel(): Kernel {
  const addon = loadAddon() as Addon;
  return {
    ...addon,
    readText: (path) => orErrno(() => readFileSync(path, "utf8")),
    writeText: (path, text) => orErrno(() => (writeFileSync(path, text), 0)),
    readLink: (path) => orErrno(() => readlinkSync(path)),
    list: (path) => orErrno(() => readdirSync(path)),
    unlink: (path) => orErrno(() => (unlinkSync(path), 0)),
    rename: (from, to) => orErrno(() => (renameSync(from, to), 0)),
    stat: (path) =>
      orErrno(() => {
        const { mode, uid, gid, ino } = statSync(path);
        return { mode, uid, gid, inode: ino };
      }),
  };
}

function orErrno<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    return errnoOfError(error);
  }
}

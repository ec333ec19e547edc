import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { errnoOfError } from "./errors.js";
import { loadAddon } from "./load-addon.js";

/** One register accessor each, on one mapping; a read-only mapping has no `write…` functions. */
export interface RegisterFunctions {
  readonly read8: (offset: number) => number;
  readonly read16: (offset: number) => number;
  readonly read32: (offset: number) => number;
  readonly read64: (offset: number) => bigint;
  readonly write8: (offset: number, value: number) => void;
  readonly write16: (offset: number, value: number) => void;
  readonly write32: (offset: number, value: number) => void;
  readonly write64: (offset: number, value: bigint) => void;
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
  /** Forbids everybody to shrink or grow a memory file (F_SEAL_SHRINK, F_SEAL_GROW). */
  sealSize(fd: number): number;
  memlockLimit(): number | { current: number; maximum: number };

  eventfd(): number;
  /** The counter's value, which becomes 0; 0 if nothing was signalled. */
  eventfdRead(fd: number): number;
  eventfdWrite(fd: number, count: number): number;

  map(
    fd: number,
    offset: number,
    bytes: number,
    writable: boolean,
    populate: boolean,
    address: bigint | undefined,
    name: string,
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

  /** The watcher, whatever that is, or a negative errno. */
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
  /** The type (`statfs(2)`, the magic number) and block size of the filesystem that a path lies on, or `-errno`. */
  filesystem(path: string): { type: number; blockBytes: number } | number;
}

type PlainFiles =
  "readText" | "writeText" | "readLink" | "list" | "unlink" | "rename" | "stat" | "filesystem";
type Addon = Omit<Kernel, PlainFiles>;

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
    writeText: (path, text) => orErrno(() => writeExisting(path, text)),
    readLink: (path) => orErrno(() => readlinkSync(path)),
    list: (path) => orErrno(() => readdirSync(path)),
    unlink: (path) => orErrno(() => (unlinkSync(path), 0)),
    rename: (from, to) => orErrno(() => (renameSync(from, to), 0)),
    stat: (path) =>
      orErrno(() => {
        const { mode, uid, gid, ino } = statSync(path);
        return { mode, uid, gid, inode: ino };
      }),
    filesystem: (path) =>
      orErrno(() => {
        const { type, bsize } = statfsSync(path);
        return { type, blockBytes: bsize };
      }),
  };
}

/** Attributes of sysfs are never created, and some may only be written: a misspelled one must be ENOENT. */
function writeExisting(path: string, text: string): number {
  const fd = openSync(path, constants.O_WRONLY | constants.O_TRUNC);
  try {
    writeFileSync(fd, text);
    return 0;
  } finally {
    closeSync(fd);
  }
}

function orErrno<T>(call: () => T): T | number {
  try {
    return call();
  } catch (error) {
    return errnoOfError(error);
  }
}

import type { ReceivedDatagram, ReceivedPacket } from "../sockets/received-packet.js";

/** Register accessors of one mapping; a read-only mapping has no `write…` functions. */
export interface RegisterFunctions {
  /** At any byte offset. */
  readonly read8: (offset: number) => number;
  /** At a multiple of 2. */
  readonly read16: (offset: number) => number;
  /** At a multiple of 4. The value is not negative. */
  readonly read32: (offset: number) => number;
  /** At a multiple of 8. */
  readonly read64: (offset: number) => bigint;
  /** At any byte offset. */
  readonly write8: (offset: number, value: number) => void;
  /** At a multiple of 2. */
  readonly write16: (offset: number, value: number) => void;
  /** At a multiple of 4. */
  readonly write32: (offset: number, value: number) => void;
  /** At a multiple of 8. */
  readonly write64: (offset: number, value: bigint) => void;
}

/** A mapping's length in whole pages, and the size of one. */
export interface MappingPages {
  readonly bytes: number;
  readonly pageBytes: number;
}

/** Many registers of a mapping at a time; each function returns `-errno` on failure. */
export interface BulkRegisterFunctions {
  /** One load for each element of a typed array; `fixed`: all at the same offset. */
  readonly readBlock: (offset: number, target: ArrayBufferView, fixed: boolean) => number;
  /** One store for each element. */
  readonly writeBlock: (offset: number, source: ArrayBufferView, fixed: boolean) => number;
  /** One 64-bit load, as lower and upper half. */
  readonly readHalves: (offset: number, halves: Uint32Array) => number;
  /** One 64-bit store of a lower and an upper half. */
  readonly writeHalves: (offset: number, low: number, high: number) => number;
  /**
   * Loads until the bits under the mask have the wanted value or the time is up; returns the last value. Width in
   * bytes.
   */
  readonly poll: (
    offset: number,
    width: number,
    mask: number | bigint,
    wanted: number | bigint,
    microseconds: number,
  ) => number | bigint;
}

/** The holder of a POSIX lock. */
export interface LockHolder {
  /** True if another process has a lock that forbids a write lock on any part of the file. */
  readonly locked: boolean;
  /** The process id; 0 if nobody has a lock, or the process is outside this one's PID namespace. */
  readonly pid: number;
}

/** A connection that keeps packets apart, or single datagrams. */
export type SocketKind = "seqpacket" | "datagram";

/** The process at the other end of a local socket, as the kernel saw it when it connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The part of `stat(2)` that this library uses. */
export interface FileStatus {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Differs between any two files that exist at the same time. */
  readonly inode: number;
}

/** The part of `statfs(2)` that this library uses. */
export interface FilesystemInfo {
  readonly type: number;
  /** In bytes; for a hugetlbfs the page size. */
  readonly blockBytes: number;
  /** 0 for a hugetlbfs without a limit of its own (`size=`). */
  readonly blocks: number;
  readonly freeBlocks: number;
}

/** RLIMIT_MEMLOCK, in bytes; Infinity for no limit. */
export interface MemlockLimit {
  readonly current: number;
  readonly maximum: number;
}

/**
 * All of this library's system calls: one seam, where tests can put another kernel. Every function returns what the
 * system call returned, or `-errno`; none throws.
 */
export interface Kernel {
  /** `open(2)`, with O_CLOEXEC always added. */
  open(path: string, flags: number, mode: number): number;
  /** `close(2)`. */
  close(fd: number): number;
  /** `fcntl(2)`, F_DUPFD_CLOEXEC. */
  dup(fd: number): number;
  /**
   * Makes the fd this thread's, closed when the thread ends; every call here that opens an fd does so itself. An fd of
   * another thread becomes nobody's: two threads rely on it.
   */
  ownFd?(fd: number): void;
  /** Leaves closing the fd to the program or another thread. */
  disownFd?(fd: number): void;
  /** `ioctl(2)`. A number is passed as it is, bytes by address. */
  ioctl(fd: number, request: number, argument: number | Uint8Array): number;
  /**
   * `ioctl(2)` on each `stride` bytes in turn, until one fails. The number that succeeded, or `-errno` if the first
   * failed.
   */
  ioctlEach(fd: number, request: number, bytes: Uint8Array, stride: number): number;
  /**
   * As `ioctl`, off the event loop: for calls that may wait in the kernel for seconds. The fd may be closed meanwhile.
   */
  ioctlAsync(fd: number, request: number, argument: number | Uint8Array): Promise<number>;
  /** As `close`, off the event loop: a last close may wait for a device's reset. */
  closeAsync(fd: number): Promise<number>;
  /** `pread(2)` into `bytes`. */
  pread(fd: number, bytes: Uint8Array, offset: number): number;
  /** Many reads of `width` bytes, `stride` apart, into one buffer. The number of complete reads, or `-errno`. */
  preadStrided(fd: number, bytes: Uint8Array, width: number, offset: number, stride: number): number;
  /** `pwrite(2)`. */
  pwrite(fd: number, bytes: Uint8Array, offset: number): number;
  /** `fchmod(2)`. */
  chmod(fd: number, mode: number): number;
  /** `ftruncate(2)`. */
  truncate(fd: number, bytes: number): number;
  /** `fcntl(2)`, F_GETLK for a write lock on the whole file. */
  lockHolder(fd: number): LockHolder | number;
  /** `memfd_create(2)`. */
  memfdCreate(name: string, flags: number): number;
  /** Fixes a memory file's size (F_SEAL_SHRINK, F_SEAL_GROW). */
  sealSize(fd: number): number;
  /** `fcntl(2)`, F_GET_SEALS: EINVAL for all but files in memory. Asks no filesystem, so nobody can make it wait. */
  seals(fd: number): number;
  /** `fstatfs(2)`. A filesystem in userspace (FUSE) may be slow to answer. */
  filesystemOf(fd: number): FilesystemInfo | number;
  /** `sysconf(3)`, _SC_PAGESIZE. */
  pageBytes(): number;
  /** `getrlimit(2)`, RLIMIT_MEMLOCK: bytes, or Infinity for no limit. */
  memlockLimit(): number | MemlockLimit;

  /** `eventfd2(2)`: at 0, non-blocking, close-on-exec. */
  eventfd(): number;
  /** The counter's value, which becomes 0; 0 if nothing was signalled. */
  eventfdRead(fd: number): number;
  /** As `eventfdRead`, repeated until it brings something or the time is up. */
  eventfdSpin(fd: number, microseconds: number): number;
  /** Adds to the counter. */
  eventfdWrite(fd: number, count: number): number;

  /** `mmap(2)`, MAP_SHARED. Returns a handle, which names the mapping in every thread of this process. */
  map(
    fd: number,
    offset: number,
    bytes: number,
    writable: boolean,
    address: bigint | undefined,
    name: string,
  ): number;
  /** `mbind(2)`, MPOL_BIND: from now on takes the mapping's pages from one NUMA node only. */
  bindMapping(handle: number, numaNode: number): number;
  /**
   * `madvise(2)`, MADV_POPULATE_WRITE: takes all pages of a mapping now. On kernels before 5.14 each page of a file is
   * touched instead. A device's pages are left alone.
   */
  populate(handle: number): number;
  /** `mincore(2)`: the number of bytes of a mapping that are in memory already. */
  residentBytes(handle: number): number;
  /** Where a mapping lies. */
  mappingAddress(handle: number): bigint | number;
  /** In bytes. */
  mappingLength(handle: number): number;
  /** How long a mapping is in whole pages, and the size of one: hugepages are whole on hugetlbfs. */
  mappingPages?(handle: number): MappingPages | number;
  /** `mmap(2)`, MAP_FIXED: the mapping's pages once more, over a part of this thread's WebAssembly memory. */
  layMapping?(handle: number, fd: number, offset: number, place: Uint8Array): number;
  /** Where a Uint8Array's memory lies. */
  addressOf?(bytes: Uint8Array): bigint | number;
  /** As `populate`, off the event loop. */
  populateAsync(handle: number): Promise<number>;
  /** Whether memory of a mapping has gone away: 0 if not, 1 for a device's, 2 for a file's. */
  mappingGone(handle: number): number;
  /** An ArrayBuffer on part of the mapping's memory, for the calling thread. */
  mappingView(handle: number, offset: number, bytes: number): ArrayBuffer | number;
  /** Makes a view's length 0, and that of all typed arrays on it. */
  detachView(view: ArrayBuffer): void;
  /** This thread uses the mapping as well, until it leaves or ends. */
  joinMapping(handle: number): number;
  /** Leaves the mapping; the last thread to leave unmaps it. EBUSY while this thread holds it. */
  leaveMapping(handle: number): number;
  /**
   * Ends the mapping for all threads: the file's pages go at once, the address range with the last view in any thread.
   * EBUSY while it is held.
   */
  unmap(handle: number): number;
  /**
   * Forbids `unmap`: with an fd for as long as that is open, even if this thread ends; -1 for none. Returns the hold's
   * number.
   */
  holdMapping(handle: number, reason: string, fd: number): number;
  /** Gives a hold back. */
  releaseHold(hold: number): void;
  /** The distinct reasons of all holds on a mapping, of all threads. */
  mappingHolders(handle: number): string[];
  /** Accessors on the mapping's memory, or on part of it: one access of exactly its width each. */
  registers(handle: number, offset?: number, bytes?: number): RegisterFunctions | number;
  /** As `registers`, for blocks, halves and polling. */
  bulkRegisters(handle: number, offset?: number, bytes?: number): BulkRegisterFunctions | number;

  /** Duplicates an fd for several threads. Returns a handle, which names the file in every thread of this process. */
  shareFile(fd: number): number;
  /** Whether the owner has neither closed the file nor ended. */
  sharedFileIsOpen(handle: number): boolean;
  /** `pread(2)` on a shared file; EBADF once it is closed. */
  sharedPread(handle: number, bytes: Uint8Array, offset: number): number;
  /** `pwrite(2)` on a shared file; EBADF once it is closed. */
  sharedPwrite(handle: number, bytes: Uint8Array, offset: number): number;
  /** No access begins from now on; the file is closed after the last one in progress. */
  unshareFile(handle: number): number;

  /** `socket(2)`: AF_UNIX, non-blocking, close-on-exec. */
  socket(kind: SocketKind): number;
  /** `bind(2)` to a path. */
  socketBind(fd: number, path: string): number;
  /** `listen(2)`. */
  socketListen(fd: number, backlog: number): number;
  /** `connect(2)` to a path. From then on only that socket can send datagrams to this one. */
  socketConnect(fd: number, path: string): number;
  /** `accept4(2)`, non-blocking. */
  socketAccept(fd: number): number;
  /** `sendmsg(2)` of one packet with its descriptors (SCM_RIGHTS). */
  socketSend(fd: number, bytes: Uint8Array, fds: readonly number[]): number;
  /** `recvmsg(2)` of one packet; received descriptors are close-on-exec. */
  socketReceive(fd: number, maxBytes: number, maxFds: number): ReceivedPacket | number;
  /** `getsockopt(2)`, SO_PEERCRED. */
  socketPeer(fd: number): PeerCredentials | number;

  /** `sendmsg(2)` of one datagram with its descriptors to a socket's path. */
  datagramSend(fd: number, path: string, bytes: Uint8Array, fds: readonly number[]): number;
  /** `recvmsg(2)` of one datagram; received descriptors are close-on-exec. */
  datagramReceive(fd: number, maxBytes: number, maxFds: number): ReceivedDatagram | number;

  /** `poll(2)` without a wait: 1 if an fd is ready, has an error or lost its peer, 0 if not; EPERM for a file. */
  ready(fd: number, forWriting: boolean): number;
  /** The watcher, of any type, or a negative errno. */
  watch(fd: number, forWriting: boolean, callback: () => void): unknown;
  /** Ends a watch. */
  unwatch(watcher: unknown): void;
  /** Lets a watch keep the process alive: the default. */
  watchRef(watcher: unknown): void;
  /** Lets the process end in spite of the watch. */
  watchUnref(watcher: unknown): void;

  /** A file's text (sysfs, procfs), or `-errno`. */
  readText(path: string): string | number;
  /** Writes a file that exists; never creates one. */
  writeText(path: string, text: string): number;
  /** As `writeText`, off the event loop: binding a driver waits for the driver. */
  writeTextAsync(path: string, text: string): Promise<number>;
  /** `readlink(2)`. */
  readLink(path: string): string | number;
  /** The names in a folder. */
  list(path: string): string[] | number;
  /** `unlink(2)`. */
  unlink(path: string): number;
  /** `rename(2)`. */
  rename(from: string, to: string): number;
  /** `lchown(2)`: changes a symbolic link itself. */
  lchown(path: string, uid: number, gid: number): number;
  /** `stat(2)`, or `-errno`. */
  stat(path: string): FileStatus | number;
  /** `statfs(2)` of the filesystem of a path, or `-errno`. */
  filesystem(path: string): FilesystemInfo | number;
}

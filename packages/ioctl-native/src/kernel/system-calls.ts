import type { ReceivedDatagram, ReceivedPacket } from "../sockets/received-packet.js";

/** One register accessor each, on one mapping; a read-only mapping has no `write…` functions. */
export interface RegisterFunctions {
  /** Loads 8 bits at a byte offset. */
  readonly read8: (offset: number) => number;
  /** Loads 16 bits at an offset that is a multiple of 2. */
  readonly read16: (offset: number) => number;
  /** Loads 32 bits at an offset that is a multiple of 4. The value is not negative. */
  readonly read32: (offset: number) => number;
  /** Loads 64 bits, as a bigint, at an offset that is a multiple of 8. */
  readonly read64: (offset: number) => bigint;
  /** Stores 8 bits at a byte offset. */
  readonly write8: (offset: number, value: number) => void;
  /** Stores 16 bits at an offset that is a multiple of 2. */
  readonly write16: (offset: number, value: number) => void;
  /** Stores 32 bits at an offset that is a multiple of 4. */
  readonly write32: (offset: number, value: number) => void;
  /** Stores 64 bits, a bigint, at an offset that is a multiple of 8. */
  readonly write64: (offset: number, value: bigint) => void;
}

/** A mapping's length in whole pages, and the size of one. */
export interface MappingPages {
  readonly bytes: number;
  readonly pageBytes: number;
}

/** What is done to a mapping's registers many at a time; each function returns `-errno` where it fails. */
export interface BulkRegisterFunctions {
  /** One load for each element of a typed array; `fixed`: all at the same offset. */
  readonly readBlock: (offset: number, target: ArrayBufferView, fixed: boolean) => number;
  /** One store for each element. */
  readonly writeBlock: (offset: number, source: ArrayBufferView, fixed: boolean) => number;
  /** One 64-bit load, as lower and upper half. */
  readonly readHalves: (offset: number, halves: Uint32Array) => number;
  /** One 64-bit store of a lower and an upper half. */
  readonly writeHalves: (offset: number, low: number, high: number) => number;
  /** Loads until the bits under the mask have the wanted value, or the time is up: the last value. Width in bytes. */
  readonly poll: (
    offset: number,
    width: number,
    mask: number | bigint,
    wanted: number | bigint,
    microseconds: number,
  ) => number | bigint;
}

/** Who has a POSIX lock on a file. */
export interface LockHolder {
  /** True if another process has a lock that forbids a write lock on some part of the file. */
  readonly locked: boolean;
  /** Its process id; 0 if nobody has a lock, or a process that this one's PID namespace does not show. */
  readonly pid: number;
}

/** What kind of local socket: a connection that keeps the bounds of packets, or single datagrams. */
export type SocketKind = "seqpacket" | "datagram";

/** The process at the other end of a local socket, as the kernel saw it when it connected. */
export interface PeerCredentials {
  /** Its process id. */
  readonly pid: number;
  /** Its effective user id. */
  readonly uid: number;
  /** Its effective group id. */
  readonly gid: number;
}

/** What `stat(2)` says of a file, as far as this library asks. */
export interface FileStatus {
  /** Type and permission bits. */
  readonly mode: number;
  /** The owner's user id. */
  readonly uid: number;
  /** The owner's group id. */
  readonly gid: number;
  /** The inode's number: two files that are there at the same time differ in it. */
  readonly inode: number;
}

/** What `statfs(2)` says of a filesystem, as far as this library asks. */
export interface FilesystemInfo {
  /** The magic number of its type. */
  readonly type: number;
  /** Its block size in bytes; for a hugetlbfs the page size. */
  readonly blockBytes: number;
  /** How many blocks it may have; 0 for a hugetlbfs without a limit of its own (`size=`). */
  readonly blocks: number;
  /** How many of them are free. */
  readonly freeBlocks: number;
}

/** RLIMIT_MEMLOCK, in bytes; Infinity for no limit. */
export interface MemlockLimit {
  /** The limit that counts now. */
  readonly current: number;
  /** How far the process may raise it. */
  readonly maximum: number;
}

/**
 * Everything this library asks of the operating system: one seam, behind which tests can put a kernel of their own.
 * Every function returns what the system call returned, or `-errno`; none throws.
 */
export interface Kernel {
  /** `open(2)`, with O_CLOEXEC always added. */
  open(path: string, flags: number, mode: number): number;
  /** `close(2)`. */
  close(fd: number): number;
  /** `fcntl(2)`, F_DUPFD_CLOEXEC. */
  dup(fd: number): number;
  /**
   * From now on the fd belongs to this thread, and is closed when it ends; whatever opens an fd here does that. One that
   * belongs to another thread becomes nobody's: two count on it.
   */
  ownFd?(fd: number): void;
  /** From now on the fd is the program's own care, or another thread's. */
  disownFd?(fd: number): void;
  /** `ioctl(2)`. A number is passed as it is, bytes by their address. */
  ioctl(fd: number, request: number, argument: number | Uint8Array): number;
  /** `ioctl(2)` on each `stride` bytes in turn, until one fails: how many succeeded, or `-errno` if the first failed. */
  ioctlEach(fd: number, request: number, bytes: Uint8Array, stride: number): number;
  /** As `ioctl`, off the event loop: for what may wait in the kernel for seconds. The fd may be closed meanwhile. */
  ioctlAsync(fd: number, request: number, argument: number | Uint8Array): Promise<number>;
  /** As `close`, off the event loop: a last close may wait for a device's reset. */
  closeAsync(fd: number): Promise<number>;
  /** `pread(2)` into `bytes`. */
  pread(fd: number, bytes: Uint8Array, offset: number): number;
  /** Many reads of `width` bytes, `stride` apart, into one buffer: how many were complete, or `-errno`. */
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
  /** Forbids everybody to shrink or grow a memory file (F_SEAL_SHRINK, F_SEAL_GROW). */
  sealSize(fd: number): number;
  /** `fcntl(2)`, F_GET_SEALS: EINVAL for all but files in memory. No filesystem is asked, so nobody can keep it waiting. */
  seals(fd: number): number;
  /** `fstatfs(2)`. A filesystem in userspace (FUSE) may take its time to answer. */
  filesystemOf(fd: number): FilesystemInfo | number;
  /** `sysconf(3)`, _SC_PAGESIZE: the size of ordinary pages. */
  pageBytes(): number;
  /** `getrlimit(2)`, RLIMIT_MEMLOCK: bytes, or Infinity for no limit. */
  memlockLimit(): number | MemlockLimit;

  /** `eventfd2(2)`: at 0, non-blocking, close-on-exec. */
  eventfd(): number;
  /** The counter's value, which becomes 0; 0 if nothing was signalled. */
  eventfdRead(fd: number): number;
  /** As `eventfdRead`, again and again until it brings something or the time is up. */
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
  /** `mbind(2)`, MPOL_BIND: takes the mapping's pages from one NUMA node only, from now on. */
  bindMapping(handle: number, numaNode: number): number;
  /**
   * `madvise(2)`, MADV_POPULATE_WRITE: takes all pages of a mapping now. Kernels before 5.14 do not know it; there each page
   * of a file is touched. A device's pages are left alone.
   */
  populate(handle: number): number;
  /** `mincore(2)`: how many bytes of a mapping are in memory, and so need not be taken. */
  residentBytes(handle: number): number;
  /** Where a mapping lies. */
  mappingAddress(handle: number): bigint | number;
  /** How long a mapping is, in bytes. */
  mappingLength(handle: number): number;
  /** How long a mapping is in whole pages, and the size of one: hugepages are whole on hugetlbfs. */
  mappingPages?(handle: number): MappingPages | number;
  /** `mmap(2)`, MAP_FIXED: the mapping's pages once more, over a part of this thread's WebAssembly memory. */
  layMapping?(handle: number, fd: number, offset: number, place: Uint8Array): number;
  /** Where a Uint8Array's memory lies. */
  addressOf?(bytes: Uint8Array): bigint | number;
  /** As `populate`, off the event loop. */
  populateAsync(handle: number): Promise<number>;
  /** Whether memory of a mapping went away: 0 if not, 1 if a device's did, 2 if a file's did. */
  mappingGone(handle: number): number;
  /** An ArrayBuffer on a part of the mapping's memory, for the calling thread. */
  mappingView(handle: number, offset: number, bytes: number): ArrayBuffer | number;
  /** Makes a view's length 0: all typed arrays on it become empty. */
  detachView(view: ArrayBuffer): void;
  /** This thread uses the mapping as well, until it leaves it or ends. */
  joinMapping(handle: number): number;
  /** Gives that up: the last thread to leave takes the mapping along. EBUSY while this thread holds it. */
  leaveMapping(handle: number): number;
  /**
   * Ends the mapping for all threads: takes the file's pages away at once, and the address range when the last view in
   * any thread is gone. EBUSY while it is held.
   */
  unmap(handle: number): number;
  /** Forbids `unmap`. With an fd, for as long as that is open even if this thread ends; -1 for none. The hold's number. */
  holdMapping(handle: number, reason: string, fd: number): number;
  /** Gives a hold back. */
  releaseHold(hold: number): void;
  /** The reasons of all holds on a mapping, in whatever thread they were made, each once. */
  mappingHolders(handle: number): string[];
  /** Accessors on the mapping's memory, or on a part of it: one access of exactly its width each. */
  registers(handle: number, offset?: number, bytes?: number): RegisterFunctions | number;
  /** Blocks, halves and polling on the same. */
  bulkRegisters(handle: number, offset?: number, bytes?: number): BulkRegisterFunctions | number;

  /** Duplicates an fd for several threads. Returns a handle, which names the file in every thread of this process. */
  shareFile(fd: number): number;
  /** Whether the file is open: its owner has neither closed it nor ended. */
  sharedFileIsOpen(handle: number): boolean;
  /** `pread(2)` on a shared file; EBADF once it is closed. */
  sharedPread(handle: number, bytes: Uint8Array, offset: number): number;
  /** `pwrite(2)` on a shared file; EBADF once it is closed. */
  sharedPwrite(handle: number, bytes: Uint8Array, offset: number): number;
  /** No access begins any more; the file is closed when the last one is over. */
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

  /** `poll(2)` that does not wait: 1 if an fd is ready, has an error or lost its peer, 0 if not; EPERM for a file. */
  ready(fd: number, forWriting: boolean): number;
  /** The watcher, whatever that is, or a negative errno. */
  watch(fd: number, forWriting: boolean, callback: () => void): unknown;
  /** Ends a watch. */
  unwatch(watcher: unknown): void;
  /** Lets a watch keep the process alive, as it does at first. */
  watchRef(watcher: unknown): void;
  /** Lets the process end although the watch is there. */
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
  /** `lchown(2)`: of a symbolic link the link itself. */
  lchown(path: string, uid: number, gid: number): number;
  /** `stat(2)`, or `-errno`. */
  stat(path: string): FileStatus | number;
  /** `statfs(2)` of the filesystem that a path lies on, or `-errno`. */
  filesystem(path: string): FilesystemInfo | number;
}

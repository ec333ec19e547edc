import { constants } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import { fdOf } from "../errors/argument-error.js";
import { check, errnoOf, VfioError, VfioRangeError, VfioSystemError } from "../errors/errors.js";
import { Fd, openFile, type HasFd } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import { orUndo } from "../lifecycle/run-all.js";
import { systemPageBytes } from "./system-page.js";

const MFD_HUGETLB = 4;
const MFD_HUGE_SHIFT = 2 ** 26;
/** <linux/magic.h> */
const HUGETLBFS_MAGIC = 0x958458f6;
/** <linux/fcntl.h> */
const F_SEAL_SEAL = 1;
const F_SEAL_SHRINK = 2;

/** A failed call in making or mapping memory: input of `hint`. */
export interface MemoryFailure {
  /** `memfd_create`, `open`, `unlink`, `ftruncate`, `fcntl`; of a mapping `mmap`, `mbind`, `madvise`. */
  readonly syscall: string;
  /** Negative. */
  readonly errno: number;
}

/** Options of {@link createMemoryFile}. */
export interface MemoryFileOptions {
  /** A multiple of `pageBytes`. */
  readonly bytes: number;
  /**
   * The size of ordinary pages ({@link systemPageBytes}, 4096 on x86-64), otherwise a hugepage size this machine has:
   * 2 MiB (2097152) or 1 GiB (1073741824).
   */
  readonly pageBytes: number;
  /** A mounted hugetlbfs to take the pages from, instead of an anonymous memory file. */
  readonly directory?: string | undefined;
  /** The remedy if the system has no such memory, by the call and its errno. */
  readonly hint?: (failure: MemoryFailure) => string | undefined;
}

/**
 * A file in memory, with pages of a chosen size: anonymous (`memfd_create`, MFD_HUGETLB), or in a hugetlbfs directory,
 * where it is unlinked at once. Another process can have it by its fd; nothing is left behind when the last fd and
 * mapping go, a crash included. Its size is final: nobody can shrink an anonymous file under a mapping.
 * @throws VfioSystemError if there is no such memory; VfioRangeError `ERR_VFIO_MEMORY_SIZE`; VfioError
 * `ERR_VFIO_NOT_HUGETLBFS` if the directory is not a hugetlbfs of that page size.
 * @example
 * ```ts
 * import { createMemoryFile, readAt, writeAt } from "@vfio/ioctl-native";
 *
 * using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
 * writeAt(file, 100, new Uint8Array([1, 2, 3]), "the memory");
 * console.log(readAt(file, 100, 3, "the memory").join()); // 1,2,3
 * ```
 */
export function createMemoryFile(options: MemoryFileOptions): Fd {
  checkOptions(options);
  const { directory } = options;
  const file = directory === undefined ? anonymousFile(options) : hugetlbfsFile(directory, options);
  const giveSize = (): void => {
    checkCall("ftruncate", kernel().truncate(file.fd, options.bytes), options);
    if (directory === undefined) checkCall("fcntl", kernel().sealSize(file.fd), options);
  };
  orUndo(giveSize, () => file.close());
  return file;
}

function anonymousFile(options: MemoryFileOptions): Fd {
  const { pageBytes } = options;
  const huge = pageBytes > systemPageBytes() ? MFD_HUGETLB + Math.log2(pageBytes) * MFD_HUGE_SHIFT : 0;
  return new Fd(checkCall("memfd_create", kernel().memfdCreate("vfio-dma", huge), options), "DMA memory");
}

function hugetlbfsFile(directory: string, { pageBytes, hint }: MemoryFileOptions): Fd {
  checkHugetlbfs(directory, pageBytes);
  // Not imported: loading it would be a large part of the cost of importing this package.
  const { randomUUID } = process.getBuiltinModule("node:crypto");
  const file = path.join(directory, `.vfio-dma-${randomUUID()}`);
  const opened = openFile(file, {
    flags: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
    name: "DMA memory",
    hint: (errno) => hint?.({ syscall: "open", errno }),
  });
  const unlinked = kernel().unlink(file);
  if (unlinked < 0) opened.close();
  check(unlinked, () => ({ syscall: "unlink", what: `cannot unlink ${file}`, path: file }));
  return opened;
}

/**
 * The page size of a file's memory: a hugetlbfs has its own, all else ordinary pages.
 * @throws VfioSystemError if that cannot be asked.
 */
export function pageBytesOf(file: HasFd): number {
  // Only files in memory are asked further: the server behind a file of FUSE might never answer.
  if (sealsOf(file) === undefined) return systemPageBytes();
  const found = kernel().filesystemOf(file.fd);
  if (typeof found === "number")
    throw new VfioSystemError(found, { syscall: "fstatfs", what: "cannot ask for the page size of a file" });
  return found.type === HUGETLBFS_MAGIC ? found.blockBytes : systemPageBytes();
}

/** True if the file's pages are ordinary memory, which taking them may use up. */
export function isOrdinaryMemory(file: HasFd): boolean {
  if (kernel().seals(fdOf(file)) < 0) return false;
  const found = kernel().filesystemOf(file.fd);
  return typeof found !== "number" && found.type !== HUGETLBFS_MAGIC;
}

/**
 * True for memory that `memfd_create(2)` made, with MFD_ALLOW_SEALING. Any other file might lie in a userspace
 * filesystem, which can keep the kernel waiting for its pages. The name in `/proc` proves nothing: a file of an
 * unmounted filesystem may be called `/memfd:…` too.
 * @throws VfioSystemError EBADF if the fd is not open.
 */
export function isAnonymousMemory(file: HasFd): boolean {
  const guarantee = sizeGuaranteeOf(file);
  return guarantee === "sealed" || guarantee === "not sealed";
}

type SizeGuarantee = "sealed" | "not sealed" | "not sealable" | "no memory";

/**
 * Whether a file from another process keeps its size. If it shrinks under a mapping, the next access is a SIGBUS;
 * `sealed` (F_SEAL_SHRINK) rules that out for good. Nobody can seal a file that was opened by name, in a tmpfs or
 * hugetlbfs (the kernel seals it against sealing from the start), or a memory file made without MFD_ALLOW_SEALING.
 * @throws VfioSystemError EBADF if the fd is not open.
 */
export function sizeGuaranteeOf(file: HasFd): SizeGuarantee {
  const seals = sealsOf(file);
  if (seals === undefined) return "no memory";
  if ((seals & F_SEAL_SHRINK) !== 0) return "sealed";
  return seals === F_SEAL_SEAL ? "not sealable" : "not sealed";
}

function sealsOf(file: HasFd): number | undefined {
  const seals = kernel().seals(fdOf(file));
  if (seals === errnoOf("EINVAL")) return undefined;
  return check(seals, () => ({ syscall: "fcntl", what: "cannot ask for the seals of a file" }));
}

function checkHugetlbfs(directory: string, pageBytes: number): void {
  const found = kernel().filesystem(directory);
  if (typeof found === "number") {
    throw new VfioSystemError(found, { syscall: "statfs", what: `cannot use ${directory}`, path: directory });
  }
  if (found.type === HUGETLBFS_MAGIC && found.blockBytes === pageBytes) return;
  const actual = found.type === HUGETLBFS_MAGIC ? `has pages of ${found.blockBytes}` : "is not a hugetlbfs";
  throw new VfioError(
    "ERR_VFIO_NOT_HUGETLBFS",
    `cannot take pages of ${pageBytes} bytes from ${directory}: it ${actual}`,
    { hint: `Mount one there: mount -t hugetlbfs -o pagesize=${pageBytes} none ${directory}` },
  );
}

function checkCall(syscall: string, result: number, { bytes, pageBytes, hint }: MemoryFileOptions): number {
  return check(result, () => ({
    syscall,
    what: `cannot create ${bytes} bytes of memory in pages of ${pageBytes} bytes`,
    hint: () => hint?.({ syscall, errno: result }),
  }));
}

function checkOptions(options: MemoryFileOptions): void {
  // JavaScript callers may leave it out.
  const { bytes, pageBytes, directory } = (options as MemoryFileOptions | undefined) ?? {};
  checkSizes(bytes, pageBytes);
  if (directory === undefined || (typeof directory === "string" && directory !== "")) return;
  throw new VfioError(
    "ERR_VFIO_NOT_HUGETLBFS",
    `the directory to take pages from must be a path, not ${inspect(directory)}`,
  );
}

function checkSizes(bytes: unknown, pageBytes: unknown): void {
  const smallest = systemPageBytes();
  const isPage = isSize(pageBytes) && Number.isInteger(Math.log2(pageBytes)) && pageBytes >= smallest;
  if (isPage && isSize(bytes) && bytes % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_MEMORY_SIZE",
    `${inspect(bytes)} bytes in pages of ${inspect(pageBytes)}: the page size must be a power of two from ${smallest}, ` +
      "which is the kernel's own, and the size a multiple of it",
  );
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

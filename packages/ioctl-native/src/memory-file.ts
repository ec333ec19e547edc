import { constants } from "node:fs";
import path from "node:path";
import { check, VfioError, VfioRangeError, VfioSystemError, type SystemCallContext } from "./errors.js";
import { Fd, openFile, type HasFd } from "./fd.js";
import { kernel } from "./kernel.js";

const MFD_HUGETLB = 4;
const MFD_HUGE_SHIFT = 2 ** 26;
const HUGETLBFS_MAGIC = 0x958458f6;
const ORDINARY_PAGE = 4096;

/** Options of {@link createMemoryFile}. */
export interface MemoryFileOptions {
  /** A multiple of `pageBytes`. */
  readonly bytes: number;
  /** 4096 for ordinary pages, otherwise a hugepage size this machine has: 2 MiB (2097152) or 1 GiB (1073741824). */
  readonly pageBytes: number;
  /** A mounted hugetlbfs to take the pages from, instead of an anonymous memory file. */
  readonly directory?: string;
  /** The remedy to name when the system has no such memory. */
  readonly hint?: () => string;
}

/**
 * A file in memory, with pages of a chosen size: anonymous (`memfd_create`, MFD_HUGETLB), or in a hugetlbfs
 * directory, where it is unlinked at once. Either way nothing is left behind when the last fd and mapping go,
 * a crash included, and another process can have it by its fd.
 * Its size is final: nobody who gets the fd can shrink an anonymous file under a mapping.
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
  const { bytes, pageBytes, directory } = options;
  checkSizes(bytes, pageBytes);
  const file = directory === undefined ? anonymousFile(options) : hugetlbfsFile(directory, options);
  try {
    check(kernel().truncate(file.fd, bytes), () => context("ftruncate", options));
    if (directory === undefined) check(kernel().sealSize(file.fd), () => context("fcntl", options));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function anonymousFile(options: MemoryFileOptions): Fd {
  const huge = options.pageBytes > 4096 ? MFD_HUGETLB + Math.log2(options.pageBytes) * MFD_HUGE_SHIFT : 0;
  const fd = check(kernel().memfdCreate("vfio-dma", huge), () => context("memfd_create", options));
  return new Fd(fd, "DMA memory");
}

function hugetlbfsFile(directory: string, { pageBytes, hint }: MemoryFileOptions): Fd {
  checkHugetlbfs(directory, pageBytes);
  // Not imported: loading it would be a large part of what importing this package costs.
  const { randomUUID } = process.getBuiltinModule("node:crypto");
  const file = path.join(directory, `.vfio-dma-${randomUUID()}`);
  const opened = openFile(file, {
    flags: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
    name: "DMA memory",
    ...(hint === undefined ? {} : { hint }),
  });
  const unlinked = kernel().unlink(file);
  if (unlinked < 0) opened.close();
  check(unlinked, () => ({ syscall: "unlink", what: `cannot unlink ${file}`, path: file }));
  return opened;
}

/**
 * The size of the pages that a file's memory is made of: a hugetlbfs has its own, all else has ordinary ones.
 * @throws VfioSystemError if that cannot be asked.
 */
export function pageBytesOf(file: HasFd): number {
  const path = `/proc/self/fd/${file.fd}`;
  const found = kernel().filesystem(path);
  if (typeof found !== "number") return found.type === HUGETLBFS_MAGIC ? found.blockBytes : ORDINARY_PAGE;
  throw new VfioSystemError(found, {
    syscall: "statfs",
    what: "cannot ask for the page size of a file",
    path,
  });
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

function context(syscall: string, { bytes, pageBytes, hint }: MemoryFileOptions): SystemCallContext {
  const what = `cannot create ${bytes} bytes of memory in pages of ${pageBytes} bytes`;
  return { syscall, what, ...(hint === undefined ? {} : { hint: hint() }) };
}

function checkSizes(bytes: number, pageBytes: number): void {
  const isPowerOfTwo = Number.isInteger(Math.log2(pageBytes)) && pageBytes >= 4096;
  if (isPowerOfTwo && Number.isSafeInteger(bytes) && bytes > 0 && bytes % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_MEMORY_SIZE",
    `${bytes} bytes in pages of ${pageBytes}: the page size must be a power of two from 4096, the size a multiple of it`,
  );
}

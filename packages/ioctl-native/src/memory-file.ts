import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import path from "node:path";
import { check, VfioRangeError, type SystemCallContext } from "./errors.js";
import { Fd, openFile } from "./fd.js";
import { kernel } from "./kernel.js";

const MFD_HUGETLB = 4;
const MFD_HUGE_SHIFT = 2 ** 26;

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
 * @throws VfioSystemError; VfioRangeError `ERR_VFIO_MEMORY_SIZE`.
 */
export function createMemoryFile(options: MemoryFileOptions): Fd {
  const { bytes, pageBytes, directory } = options;
  checkSizes(bytes, pageBytes);
  const file = directory === undefined ? anonymousFile(options) : hugetlbfsFile(directory);
  try {
    check(kernel().truncate(file.fd, bytes), () => context("ftruncate", options));
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

function hugetlbfsFile(directory: string): Fd {
  const file = path.join(directory, `.vfio-dma-${randomUUID()}`);
  const opened = openFile(file, {
    flags: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
    name: "DMA memory",
  });
  kernel().unlink(file);
  return opened;
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

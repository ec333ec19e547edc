import {
  pageBytesOf,
  systemPageBytes,
  VfioError,
  VfioRangeError,
  type HasFd,
  type Mapping,
} from "@vfio/ioctl-native";
import { sizeGuaranteeOf, shownValue } from "@vfio/ioctl-native/internal";
import { argumentError, checkObject, isPowerOfTwo } from "../arguments.js";

/**
 * Checks what JavaScript callers can get wrong, but for page size and directory: those are checked where they are used.
 * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`, `ERR_VFIO_MEMORY_SIZE`.
 */
export function checkRequest(request: unknown): void {
  checkObject(request, "an object such as { bytes: 2097152 }, or { bytes: 4096, pageBytes: 4096 },");
  const { bytes, pageBytes = 1 } = request as { bytes?: unknown; pageBytes?: unknown };
  if (typeof bytes !== "number" || !(bytes > 0 && bytes <= Number.MAX_SAFE_INTEGER))
    throw sizeError("the bytes of memory are a number above 0", bytes);
  checkPageBytes(pageBytes);
}

/** @throws VfioRangeError `ERR_VFIO_MEMORY_SIZE`. */
export function checkPageBytes(pageBytes: unknown): void {
  if (!isPowerOfTwo(pageBytes)) throw sizeError("the bytes of a page are a power of two", pageBytes);
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function checkFd(file: unknown): void {
  const { fd, close } = (file ?? {}) as { fd?: unknown; close?: unknown };
  if (typeof fd === "number" && typeof close === "function") return;
  throw argumentError(
    file,
    'an Fd (new Fd(number, "memory"), of @vfio/ioctl-native), which then belongs to the memory,',
  );
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function checkMapping(mapping: unknown): void {
  const { handle, bytes, hold } = (mapping ?? {}) as Partial<Record<keyof Mapping, unknown>>;
  if (typeof handle === "number" && typeof bytes === "number" && typeof hold === "function") return;
  throw argumentError(mapping, "a Mapping of @vfio/ioctl-native");
}

/**
 * Checks that another process's memory is what it is said to be, and stays so.
 * @throws VfioError `ERR_VFIO_NOT_MEMORY`, `ERR_VFIO_MEMORY_NOT_SEALED`; VfioRangeError `ERR_VFIO_MEMORY_SIZE`.
 */
export function checkAttached(file: HasFd, bytes: unknown, pageBytes: unknown): void {
  const guarantee = sizeGuaranteeOf(file);
  if (guarantee === "no memory")
    throw new VfioError(
      "ERR_VFIO_NOT_MEMORY",
      `fd ${file.fd} is not a file in memory (memfd_create, hugetlbfs)`,
    );
  const actual = pageBytesOf(file);
  if (actual !== pageBytes)
    throw new VfioRangeError(
      "ERR_VFIO_MEMORY_SIZE",
      `this memory has pages of ${actual} bytes, not of ${shownValue(pageBytes)}`,
    );
  if (typeof bytes !== "number" || bytes % actual !== 0)
    throw sizeError(`the bytes of memory to attach are a multiple of the page size, ${actual}`, bytes);
  if (guarantee === "sealed" || (guarantee === "not sealable" && actual > systemPageBytes())) return;
  throw notSealedError(file);
}

function notSealedError({ fd }: HasFd): VfioError {
  const problem = `the memory of fd ${fd} can be shrunk by any process that has it: its pages could go away here`;
  return new VfioError("ERR_VFIO_MEMORY_NOT_SEALED", problem, {
    hint:
      "Let its owner seal it with F_SEAL_SHRINK (fcntl(2)), as createMemoryFile and HugepageMemory do for a file of memfd_create. " +
      "A file that was opened by name, in /dev/shm, cannot be sealed",
  });
}

function sizeError(rule: string, value: unknown): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_MEMORY_SIZE", `${rule}; not ${shownValue(value)}`);
}

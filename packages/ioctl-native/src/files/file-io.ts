import { types } from "node:util";
import { checkObject, fdOf, shownValue } from "../errors/argument-error.js";
import { check, VfioError, VfioRangeError } from "../errors/errors.js";
import type { HasFd } from "./fd.js";
import { kernel } from "../kernel/kernel.js";

/** A file without an fd of its own, read and written at offsets. */
export interface PositionedFile {
  /** As `pread(2)`: the number of bytes read, or `-errno`. */
  pread(bytes: Uint8Array, offset: number): number;
  /** As `pwrite(2)`: the number of bytes written, or `-errno`. */
  pwrite(bytes: Uint8Array, offset: number): number;
}

/**
 * Reads exactly `bytes` bytes at an offset (`pread(2)`).
 * @param offset in bytes; VFIO's region offsets lie at 2^40 and above, which a number holds exactly.
 * @throws VfioSystemError if the call fails; VfioError `ERR_VFIO_SHORT_IO` if fewer bytes came;
 * VfioRangeError `ERR_VFIO_IO_RANGE` for an offset or size that is no whole number from 0.
 */
export function readAt(
  file: HasFd | PositionedFile,
  offset: number,
  bytes: number,
  name = nameOf(file),
): Uint8Array {
  checkSpan(bytes, offset, name);
  const buffer = new Uint8Array(bytes);
  readInto(file, offset, buffer, name);
  return buffer;
}

/** As {@link readAt}, into an existing array: for loops. */
export function readInto(
  file: HasFd | PositionedFile,
  offset: number,
  into: Uint8Array,
  name = nameOf(file),
): void {
  const bytes = into.length;
  checkSpan(bytes, offset, name);
  const got = isPositioned(file) ? file.pread(into, offset) : kernel().pread(fdOf(file), into, offset);
  check(got, () => ({ syscall: "pread", what: `cannot read ${span(bytes, offset, name)}` }));
  if (got !== bytes) throw shortError("read", got, bytes, offset, name);
}

/**
 * Makes many small reads with one native call: `count` of them, `width` bytes each, `stride` bytes apart.
 * @returns the bytes of all reads in one array.
 * @throws VfioSystemError if a read fails; VfioError `ERR_VFIO_SHORT_IO` if one is not complete; VfioRangeError
 * `ERR_VFIO_IO_RANGE` for a number that is not whole or below 0.
 */
export function readStrided(
  file: HasFd,
  reads: { offset: number; stride: number; width: number; count: number },
  name = nameOf(file),
): Uint8Array {
  checkObject("the reads", reads);
  const { offset, stride, width, count } = reads;
  checkReads([offset, stride, width, count], name);
  const buffer = new Uint8Array(width * count);
  const done = kernel().preadStrided(fdOf(file), buffer, width, offset, stride);
  check(done, () => ({ syscall: "pread", what: `cannot read ${span(width, offset, name)}` }));
  if (done !== count) throw shortError("read", 0, width, offset + done * stride, name);
  return buffer;
}

/**
 * Writes all of `bytes` at an offset (`pwrite(2)`).
 * @throws VfioSystemError if the call fails; VfioError `ERR_VFIO_SHORT_IO` if fewer bytes were taken;
 * VfioRangeError `ERR_VFIO_IO_RANGE` for an offset that is no whole number from 0, or bytes that are no Uint8Array.
 */
export function writeAt(
  file: HasFd | PositionedFile,
  offset: number,
  bytes: Uint8Array,
  name = nameOf(file),
): void {
  if (!types.isUint8Array(bytes))
    throw new VfioRangeError("ERR_VFIO_IO_RANGE", `${name} is written with a Uint8Array`);
  checkSpan(bytes.length, offset, name);
  const put = isPositioned(file) ? file.pwrite(bytes, offset) : kernel().pwrite(fdOf(file), bytes, offset);
  check(put, () => ({ syscall: "pwrite", what: `cannot write ${span(bytes.length, offset, name)}` }));
  if (put !== bytes.length) throw shortError("write", put, bytes.length, offset, name);
}

function nameOf(file: HasFd | PositionedFile): string {
  return isPositioned(file) ? "a file" : `fd ${fdOf(file)}`;
}

function isPositioned(file: HasFd | PositionedFile): file is PositionedFile {
  // JavaScript callers may pass anything.
  const { fd, pread } = (file as Partial<HasFd & PositionedFile> | null | undefined) ?? {};
  return fd === undefined && typeof pread === "function";
}

function checkReads(numbers: readonly number[], name: string): void {
  if (numbers.every(isSize)) return;
  throw new VfioRangeError(
    "ERR_VFIO_IO_RANGE",
    `offset, stride, width and count of the reads of ${name} must be whole numbers from 0`,
  );
}

function checkSpan(bytes: number, offset: number, name: string): void {
  if (isSize(bytes) && isSize(offset) && isSize(offset + bytes)) return;
  throw new VfioRangeError(
    "ERR_VFIO_IO_RANGE",
    `${shownValue(bytes)} bytes at offset ${shownValue(offset)} of ${name}: both must be whole numbers from 0`,
  );
}

function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function shortError(verb: string, done: number, wanted: number, offset: number, name: string): VfioError {
  return new VfioError("ERR_VFIO_SHORT_IO", `short ${verb}: ${done} of ${span(wanted, offset, name)}`);
}

function span(bytes: number, offset: number, name: string): string {
  return `${bytes} bytes at 0x${offset.toString(16)} of ${name}`;
}

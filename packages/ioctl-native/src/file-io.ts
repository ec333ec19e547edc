import { check, VfioError } from "./errors.js";
import type { HasFd } from "./fd.js";
import { kernel } from "./kernel.js";

/**
 * Reads exactly `bytes` bytes at an offset (`pread(2)`).
 * @param offset in bytes; VFIO's region offsets lie at 2^40 and above, which a number holds exactly.
 * @throws VfioSystemError if the call fails; VfioError `ERR_VFIO_SHORT_IO` if fewer bytes came.
 */
export function readAt(file: HasFd, offset: number, bytes: number, name: string): Uint8Array {
  const buffer = new Uint8Array(bytes);
  const got = kernel().pread(file.fd, buffer, offset);
  check(got, () => ({ syscall: "pread", what: `cannot read ${span(bytes, offset, name)}` }));
  if (got !== bytes) throw shortError("read", got, bytes, offset, name);
  return buffer;
}

/**
 * Writes all of `bytes` at an offset (`pwrite(2)`).
 * @throws VfioSystemError if the call fails; VfioError `ERR_VFIO_SHORT_IO` if fewer bytes were taken.
 */
export function writeAt(file: HasFd, offset: number, bytes: Uint8Array, name: string): void {
  const put = kernel().pwrite(file.fd, bytes, offset);
  check(put, () => ({ syscall: "pwrite", what: `cannot write ${span(bytes.length, offset, name)}` }));
  if (put !== bytes.length) throw shortError("write", put, bytes.length, offset, name);
}

function shortError(verb: string, done: number, wanted: number, offset: number, name: string): VfioError {
  return new VfioError("ERR_VFIO_SHORT_IO", `short ${verb}: ${done} of ${span(wanted, offset, name)}`);
}

function span(bytes: number, offset: number, name: string): string {
  return `${bytes} bytes at 0x${offset.toString(16)} of ${name}`;
}

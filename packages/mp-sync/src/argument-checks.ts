import { VfioRangeError, type HasFd } from "@vfio/ioctl-native";
import { argumentError, isAbortSignal, shownValue } from "@vfio/ioctl-native/internal";

/**
 * Refuses what is no object where one belongs.
 * @param what the argument, as its caller calls it: "the options of FdServer.listen()".
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkObject(value: unknown, what: string, expected = "an object"): void {
  if (typeof value !== "object" || value === null) throw wrong(what, expected, value);
}

/**
 * Refuses what is no list where one belongs.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkList(value: unknown, name: string): void {
  if (!Array.isArray(value)) throw wrong(name, "an array", value);
}

/**
 * Refuses what is neither a function nor left out.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(functions)) {
    if (value !== undefined && typeof value !== "function") throw wrong(name, "a function", value);
  }
}

/**
 * Refuses what is neither an AbortSignal nor left out.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !isAbortSignal(signal)) throw wrong("signal", "an AbortSignal", signal);
}

/**
 * Refuses what cannot be the options of a request.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkRequest(options: { readonly signal?: AbortSignal | undefined }): void {
  checkObject(options, "the options of a request");
  checkSignal(options.signal);
}

/**
 * Refuses what has no `fd` that a file descriptor can be.
 * @throws VfioRangeError `ERR_VFIO_FD`; what the getter `fd` throws (`ERR_VFIO_CLOSED`).
 */
export function checkFd(file: HasFd, name: string): void {
  const isObject = typeof file === "object" && (file as unknown) !== null;
  const fd: unknown = isObject ? file.fd : undefined;
  if (typeof fd === "number" && Number.isInteger(fd) && fd >= 0 && (fd | 0) === fd) return;
  const what = shownValue(isObject ? fd : file);
  throw new VfioRangeError("ERR_VFIO_FD", `${name} has ${what} where a file descriptor belongs`);
}

function wrong(what: string, expected: string, value: unknown): VfioRangeError {
  return argumentError(what, expected, value, "ERR_VFIO_MP_ARGUMENT");
}

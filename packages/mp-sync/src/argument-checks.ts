import { VfioRangeError, type HasFd } from "@vfio/ioctl-native";
import { argumentError, isAbortSignal, LONGEST_TIMER_MS, shownValue } from "@vfio/ioctl-native/internal";

/**
 * @param what the argument's name for its caller: "the options of FdServer.listen()".
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
function checkArgument(isRight: boolean, what: string, expected: string, value: unknown): void {
  if (!isRight) throw argumentError(what, expected, value, "ERR_VFIO_MP_ARGUMENT");
}

export function checkObject(value: unknown, what: string, expected = "an object"): void {
  checkArgument(typeof value === "object" && value !== null, what, expected, value);
}

export function checkList(value: unknown, name: string): void {
  checkArgument(Array.isArray(value), name, "an array", value);
}

export function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(functions))
    checkArgument(value === undefined || typeof value === "function", name, "a function", value);
}

export function checkRequest(options: { readonly signal?: AbortSignal | undefined }): void {
  checkObject(options, "the options of a request");
  const { signal } = options;
  checkArgument(signal === undefined || isAbortSignal(signal), "signal", "an AbortSignal", signal);
}

/** @throws VfioRangeError `ERR_VFIO_FD`; what the getter `fd` throws (`ERR_VFIO_CLOSED`). */
export function checkFd(file: HasFd, name: string): void {
  const isObject = typeof file === "object" && (file as unknown) !== null;
  const fd: unknown = isObject ? file.fd : undefined;
  if (typeof fd === "number" && Number.isInteger(fd) && fd >= 0 && (fd | 0) === fd) return;
  const what = shownValue(isObject ? fd : file);
  throw new VfioRangeError("ERR_VFIO_FD", `${name} has ${what} where a file descriptor belongs`);
}

/** @throws VfioRangeError `ERR_VFIO_TIMEOUT_RANGE`. */
export function checkTimeout(timeoutMs: number): number {
  if (typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs <= LONGEST_TIMER_MS) return timeoutMs;
  const text = `a timeout of ${shownValue(timeoutMs)} ms: it must be above 0 and at most ${LONGEST_TIMER_MS}`;
  throw new VfioRangeError("ERR_VFIO_TIMEOUT_RANGE", text);
}

/** Refuses a limit below 1, which would let nothing through. */
export function checkLimit(value: number, name: string, code: string): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new VfioRangeError(code, `${name} is ${shownValue(value)}: it must be a whole number from 1`);
}

import { VfioRangeError, type HasFd } from "@vfio/ioctl-native";

/**
 * Refuses what is no object where one belongs.
 * @param what for the message: "FdServer.listen() takes its options as an object".
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkObject(value: unknown, what: string): void {
  if (typeof value === "object" && value !== null) return;
  throw argumentError(`${what}, not ${describe(value)}`);
}

/**
 * Refuses what is no list where one belongs.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkList(value: unknown, name: string): void {
  if (Array.isArray(value)) return;
  throw argumentError(`${name} must be an array, not ${describe(value)}`);
}

/**
 * Refuses what is neither a function nor left out.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(functions)) {
    if (value === undefined || typeof value === "function") continue;
    throw argumentError(`${name} must be a function, not ${describe(value)}`);
  }
}

/**
 * Refuses what is neither an AbortSignal nor left out.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || isSignal(signal)) return;
  throw argumentError(`signal must be an AbortSignal, not ${describe(signal)}`);
}

/**
 * Refuses what cannot be the options of a request.
 * @throws VfioRangeError `ERR_VFIO_MP_ARGUMENT`.
 */
export function checkRequest(options: { readonly signal?: AbortSignal | undefined }): void {
  checkObject(options, "a request takes its options as an object");
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
  const what = isObject ? describe(fd) : describe(file);
  throw new VfioRangeError("ERR_VFIO_FD", `${name} has ${what} where a file descriptor belongs`);
}

/** A value for a message, whatever it is. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "an array" : "an object";
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

// AbortSignals of other realms and of polyfills are as good.
function isSignal(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "aborted" in value &&
    "addEventListener" in value &&
    typeof value.addEventListener === "function"
  );
}

function argumentError(message: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_MP_ARGUMENT", message);
}

import { inspect } from "node:util";
import { VfioRangeError } from "./errors.js";

/**
 * The error of a wrong argument: "the group must be an open group, not 7".
 * @param code of a package that has its own.
 */
export function argumentError(
  what: string,
  expected: string,
  value: unknown,
  code = "ERR_VFIO_ARGUMENT",
): VfioRangeError {
  return new VfioRangeError(code, `${what} must be ${expected}, not ${shownValue(value)}`);
}

/** A value for messages, whatever it is: `7`, `'7'`, `7n`. Calls no getter and no inspect function. */
export function shownValue(value: unknown): string {
  return inspect(value, { depth: -1, customInspect: false, maxStringLength: 60, breakLength: Infinity });
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for all but objects with a number as their `fd`. */
export function checkHasFd(what: string, expected: string, value: unknown): void {
  if (!isObject(value) || !("fd" in value) || typeof value.fd !== "number")
    throw argumentError(what, expected, value);
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything else; what a closed object's `fd` throws. */
export function fdOf(file: { readonly fd: number }): number {
  // JavaScript callers may pass anything.
  const fd: unknown = (file as { readonly fd?: unknown } | null | undefined)?.fd;
  if (typeof fd === "number") return fd;
  throw argumentError("the file", "an object with an open file descriptor as its fd", file);
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` if it is neither `undefined` nor an object. */
export function checkOptions(what: string, value: unknown): void {
  if (value !== undefined) checkObject(what, value);
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` if it is no object. */
export function checkObject(what: string, value: unknown): void {
  if (!isObject(value)) throw argumentError(what, "an object", value);
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` if it is no text. */
export function checkText(what: string, value: unknown): void {
  if (typeof value !== "string") throw argumentError(what, "a string", value);
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` if it is no function. */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== "function") throw argumentError(what, "a function", value);
}

/** By shape: a signal of another realm or of a polyfill is as good. */
export function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    isObject(value) &&
    "aborted" in value &&
    "addEventListener" in value &&
    typeof value.addEventListener === "function"
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

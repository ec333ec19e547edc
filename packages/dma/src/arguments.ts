import { inspect } from "node:util";
import { VfioRangeError } from "@vfio/ioctl-native";

/** What somebody passed, as they would write it, in one short line. Never throws. */
export function shown(value: unknown): string {
  const text = typeof value === "function" ? "a function" : inspect(value, SHORT);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

const SHORT = {
  depth: 0,
  breakLength: Infinity,
  maxArrayLength: 4,
  maxStringLength: 40,
  getters: false,
  customInspect: false,
};

/** @param expected what should have been passed, with its article. */
export function argumentError(value: unknown, expected: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_DMA_ARGUMENT", `${expected} expected, not ${shown(value)}`);
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function checkObject(value: unknown, expected: string): asserts value is object {
  if (typeof value !== "object" || value === null) throw argumentError(value, expected);
}

/** True for 1, 2, 4, … */
export function isPowerOfTwo(value: unknown): boolean {
  return typeof value === "number" && value >= 1 && Number.isInteger(Math.log2(value));
}

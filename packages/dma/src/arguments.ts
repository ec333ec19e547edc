import { isVfioError, VfioRangeError } from "@vfio/ioctl-native";
import { shownValue } from "@vfio/ioctl-native/internal";

/** @param expected what should have been passed, with its article. */
export function argumentError(value: unknown, expected: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_DMA_ARGUMENT", `${expected} expected, not ${shownValue(value)}`);
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function checkObject(value: unknown, expected: string): asserts value is object {
  if (typeof value !== "object" || value === null) throw argumentError(value, expected);
}

/**
 * What is wrong if a bigint or a symbol was passed where a number is expected: looked at when the arithmetic has failed,
 * it costs nothing before.
 */
export function numberError(numbers: readonly unknown[], failure: unknown): unknown {
  if (isVfioError(failure)) return failure;
  const wrong = numbers.findIndex((each) => typeof each !== "number");
  return wrong < 0 ? failure : argumentError(numbers[wrong], "a number, not a bigint,");
}

/** As `Array.isArray`, which would make anything of what a list holds. */
export function isList(value: unknown): boolean {
  return Array.isArray(value);
}

/** True for 1, 2, 4, … */
export function isPowerOfTwo(value: unknown): boolean {
  return typeof value === "number" && value >= 1 && Number.isInteger(Math.log2(value));
}

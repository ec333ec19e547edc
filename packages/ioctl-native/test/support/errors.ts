import { errorOf as anyErrorOf, rejectionOf as anyRejectionOf } from "@vfio/test-support";
import { expect } from "vitest";
import { isVfioError, type VfioError, type VfioRangeError } from "../../src/index.js";

/** The error of this library that a call throws; fails for none and for any other. */
export function errorOf(call: () => unknown): VfioError | VfioRangeError {
  return ours(anyErrorOf(call));
}

/** As {@link errorOf}, of a promise. */
export async function rejectionOf(promise: Promise<unknown>): Promise<VfioError | VfioRangeError> {
  return ours(await anyRejectionOf(promise));
}

/** The call is refused for what it was given: by a RangeError with that code, whose message has all these texts. */
export function expectRangeError(call: () => unknown, code: string, ...texts: (string | RegExp)[]): void {
  const error = errorOf(call);
  expect(error, error.stack).toBeInstanceOf(RangeError);
  expect(error).toMatchObject({ code });
  for (const text of texts) expect(error.message).toMatch(text);
}

/** Each of the calls is refused, with that code. */
export function expectAllRefused(calls: readonly (() => unknown)[], code: string): void {
  expect(calls.map((call) => errorOf(call).code)).toEqual(calls.map(() => code));
}

function ours(error: Error): VfioError | VfioRangeError {
  if (isVfioError(error)) return error;
  throw error;
}

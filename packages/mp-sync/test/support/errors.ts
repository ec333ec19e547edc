import { isVfioError, type VfioError, type VfioRangeError } from "@vfio/ioctl-native";
import { expect } from "vitest";

/** The error of this library that a call fails with; fails itself if there is none or it is another one. */
export async function errorOf(call: () => unknown): Promise<VfioError | VfioRangeError> {
  try {
    await call();
  } catch (error) {
    if (isVfioError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/**
 * The call fails with this code.
 * @param message words of its message.
 * @param hint words of its hint; null if there must be none.
 */
export async function expectError(
  call: () => unknown,
  code: string,
  message: string | RegExp = "",
  hint: string | null = "",
): Promise<VfioError | VfioRangeError> {
  const error = await errorOf(call);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
  if (hint === null) expect(error.hint).toBeUndefined();
  else expect(error.hint ?? "").toContain(hint);
  return error;
}

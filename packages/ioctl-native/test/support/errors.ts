import { isVfioError, type VfioError, type VfioRangeError } from "../../src/index.js";

/** The error of this library that a call throws; fails for none and for any other. */
export function errorOf(call: () => unknown): VfioError | VfioRangeError {
  try {
    call();
  } catch (error) {
    if (isVfioError(error)) return error;
    throw error;
  }
  throw new Error("expected an error, and there was none");
}

/** As {@link errorOf}, of a promise. */
export async function rejectionOf(promise: Promise<unknown>): Promise<VfioError | VfioRangeError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return errorOf(() => {
    throw outcome;
  });
}

/** The error that a call throws. Throws if there is none. */
export function errorOf(call: () => unknown): Error & { code?: string; hint?: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`something that is no Error was thrown: ${String(error)}`, { cause: error });
  }
  throw new Error("nothing was thrown");
}

export async function rejectionOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; hint?: string }> {
  const outcome = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (outcome instanceof Error) return outcome;
  throw new Error("the promise was not rejected with an Error");
}

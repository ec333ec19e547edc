import { isError, messageOf, VfioAggregateError, VfioError } from "../errors/errors.js";

/**
 * Runs all actions, whatever fails on the way: closing resources must not stop at the first failure.
 * @param problem the meaning of several errors, for the message after their number.
 * @throws the error, or a VfioAggregateError `ERR_VFIO_SEVERAL` if there were several.
 */
export function runAll(actions: readonly (() => void)[], problem = "resources could not be released"): void {
  const errors = failuresOf(actions);
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new VfioAggregateError(errors, `${errors.length} ${problem}`);
}

/** For {@link runAll} and {@link undo}. */
export function closings(things: Iterable<{ close(): void }>): (() => void)[] {
  return Array.from(things, (thing) => () => thing.close());
}

/** Does the work; if it fails, runs the actions as {@link undo} does. */
export function orUndo<T>(work: () => T, ...actions: readonly (() => void)[]): T {
  try {
    return work();
  } catch (error) {
    undo(error, actions);
  }
}

/**
 * Undoes, after a failure, what was done before it, and always throws that failure: it came first. Failures to undo go
 * into its message and its `suppressed`.
 */
export function undo(failure: unknown, actions: readonly (() => void)[]): never {
  const resisting = failuresOf(actions);
  if (resisting.length === 0) throw failure;
  throw resisting.reduce(addSuppressed, failure);
}

/**
 * Attaches to a failure a later one, of undoing or closing. JavaScript's SuppressedError has neither message.
 * @returns the failure itself, with both in its message and the later one in its array `suppressed`. If nothing can be
 * attached (a frozen object, or no Error at all), a VfioError `ERR_VFIO_SEVERAL` with the failure as its `cause`.
 */
export function addSuppressed(failure: unknown, later: unknown): Error {
  const message = `${messageOf(failure)}; and undoing the earlier steps failed: ${messageOf(later)}`;
  if (!isError(failure) || !Object.isExtensible(failure)) return severalError(message, failure, later);
  const { suppressed: before = [] } = failure as { suppressed?: readonly unknown[] };
  // People see an uncaught error's stack, which begins with the original message.
  const frames = /\n {4}at [^]*$/.exec(failure.stack ?? "")?.[0] ?? "";
  const changed = { message, stack: `${failure.name}: ${message}${frames}` };
  for (const [name, value] of Object.entries(changed))
    Object.defineProperty(failure, name, { value, configurable: true, writable: true });
  return Object.assign(failure, { suppressed: [...before, later] });
}

function severalError(message: string, cause: unknown, later: unknown): Error {
  return Object.assign(new VfioError("ERR_VFIO_SEVERAL", message, { cause }), { suppressed: [later] });
}

function failuresOf(actions: readonly (() => void)[]): unknown[] {
  const errors: unknown[] = [];
  for (const action of actions) {
    try {
      action();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

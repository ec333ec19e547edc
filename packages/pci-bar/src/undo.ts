import { runAll } from "@vfio/ioctl-native";

/**
 * Gives back, after a failure, what was done before it. The caller then throws the failure itself.
 * @throws AggregateError with both, if giving back fails too; everything was tried all the same.
 */
export function undo(failure: unknown, actions: readonly (() => void)[]): void {
  try {
    runAll(actions);
  } catch (error) {
    throw new AggregateError(
      [failure, error],
      `${String(failure)}; and what was done before could not be undone: ${String(error)}`,
    );
  }
}

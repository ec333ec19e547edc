/**
 * Does everything, whatever fails on the way: what gives resources back must not stop at the first that resists.
 * @param problem what several errors together mean, for the message after their number.
 * @throws the error, or an AggregateError if there were several.
 */
export function runAll(actions: readonly (() => void)[], problem = "things could not be given back"): void {
  const errors: unknown[] = [];
  for (const action of actions) {
    try {
      action();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} ${problem}`);
}

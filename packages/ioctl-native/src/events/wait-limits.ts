import { checkOptions, isAbortSignal, shownValue } from "../errors/argument-error.js";
import { isError, messageOf, VfioError, VfioRangeError } from "../errors/errors.js";
import { Deadline, LONGEST_TIMER_MS } from "./deadline.js";

/** How long and until when to wait. */
export interface WaitLimits {
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. Default, and for Infinity: no limit. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Checks the limits of a wait before it begins.
 * @throws VfioRangeError `ERR_VFIO_WAIT_ARGUMENT` for a timeout that is no number from 0 or a signal that is no
 * AbortSignal; the signal's reason if it is aborted already (`ERR_VFIO_ABORTED` if that is no Error).
 */
export function checkWaitLimits(limits: WaitLimits = {}): void {
  checkOptions("the options of a wait", limits);
  const { signal, timeoutMs } = limits;
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) {
    throw new VfioRangeError(
      "ERR_VFIO_WAIT_ARGUMENT",
      `timeoutMs must be a number from 0, not ${shownValue(timeoutMs)}`,
    );
  }
  if (signal === undefined) return;
  if (!isAbortSignal(signal))
    throw new VfioRangeError("ERR_VFIO_WAIT_ARGUMENT", "the signal must be an AbortSignal");
  if (signal.aborted) throw errorOf(signal.reason);
}

/**
 * Holds a wait to its limits: calls `end` with `ERR_VFIO_TIMEOUT` when the time is up, or with the signal's reason.
 * @returns what to dispose of when the wait is over; `undefined` if there is no limit.
 */
export function limitWait(
  { signal, timeoutMs = Infinity }: WaitLimits,
  what: string,
  end: (error: Error) => void,
): Disposable | undefined {
  if (signal === undefined && timeoutMs > LONGEST_TIMER_MS) return undefined;
  const atTimeout = (): VfioError => timeoutError(what, timeoutMs);
  const deadline = new Deadline(timeoutMs, atTimeout, signal);
  deadline.onOver((reason) => end(errorOf(reason)));
  return deadline;
}

function errorOf(reason: unknown): Error {
  return isError(reason) ? reason : new VfioError("ERR_VFIO_ABORTED", `aborted: ${messageOf(reason)}`);
}

export function timeoutError(what: string, timeoutMs: number): VfioError {
  return new VfioError("ERR_VFIO_TIMEOUT", `no answer within ${timeoutMs} ms while waiting for ${what}`);
}

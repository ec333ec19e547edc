import { checkOptions, isAbortSignal, shownValue } from "../errors/argument-error.js";
import { isError, messageOf, VfioError, VfioRangeError } from "../errors/errors.js";

/** How long and until when to wait. */
export interface WaitLimits {
  /** Ends the wait; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until `ERR_VFIO_TIMEOUT`, from 0. Default, and for Infinity: no limit. */
  readonly timeoutMs?: number | undefined;
}

/**
 * To be called before a wait begins.
 * @throws VfioRangeError `ERR_VFIO_WAIT_ARGUMENT` for a timeout that is no number from 0, or a signal that is no
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
  if (signal.aborted) throw reasonOf(signal);
}

/**
 * Holds a wait to its limits: calls `end` with `ERR_VFIO_TIMEOUT` when the time is up, or with the signal's reason.
 * @param what what is waited for, for the error message.
 * @returns dispose of it when the wait is over; `undefined` if there is no limit.
 */
export function limitWait(
  { signal, timeoutMs }: WaitLimits,
  what: string,
  end: (error: Error) => void,
): Disposable | undefined {
  // Node's timers fire at once for what exceeds 31 bits: nearly 25 days, which is as good as no limit.
  const isTimed = timeoutMs !== undefined && timeoutMs < 2 ** 31;
  if (signal === undefined && !isTimed) return undefined;
  const stopFollowing = signal === undefined ? undefined : followSignal(signal, end);
  const timer = isTimed ? setTimeout(() => end(timeoutError(what, timeoutMs)), timeoutMs) : undefined;
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      stopFollowing?.();
    },
  };
}

interface Following {
  readonly followers: Set<(error: Error) => void>;
  readonly onAbort: () => void;
}

const followings = new WeakMap<AbortSignal, Following>();

/**
 * One listener serves all waits with a signal, and goes with the last: Node.js warns of a leak from the eleventh
 * listener on, and a device may have 2048 vectors that are waited for with one signal. And no `AbortSignal.any`: what
 * it adds to a long-lived signal is never collected on Node.js 20.
 */
function followSignal(signal: AbortSignal, follower: (error: Error) => void): () => void {
  const following = followings.get(signal) ?? beginFollowing(signal);
  following.followers.add(follower);
  return () => {
    following.followers.delete(follower);
    if (following.followers.size > 0) return;
    signal.removeEventListener("abort", following.onAbort);
    followings.delete(signal);
  };
}

function beginFollowing(signal: AbortSignal): Following {
  const followers = new Set<(error: Error) => void>();
  const onAbort = (): void => {
    for (const follower of followers) follower(reasonOf(signal));
  };
  signal.addEventListener("abort", onAbort);
  const following = { followers, onAbort };
  followings.set(signal, following);
  return following;
}

function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return isError(reason) ? reason : new VfioError("ERR_VFIO_ABORTED", `aborted: ${messageOf(reason)}`);
}

/**
 * The error of a wait whose time is up.
 * @param what what was waited for.
 */
export function timeoutError(what: string, timeoutMs: number): VfioError {
  return new VfioError("ERR_VFIO_TIMEOUT", `no answer within ${timeoutMs} ms while waiting for ${what}`);
}

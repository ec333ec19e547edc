import { VfioRangeError } from "@vfio/ioctl-native";
import { shownValue } from "@vfio/ioctl-native/internal";

/**
 * Refuses a timeout that a timer cannot keep.
 * @throws VfioRangeError `ERR_VFIO_TIMEOUT_RANGE`.
 */
export function checkTimeout(timeoutMs: number): number {
  // A timer of more than 2^31 - 1 ms fires at once.
  if (typeof timeoutMs === "number" && timeoutMs > 0 && timeoutMs < 2 ** 31) return timeoutMs;
  throw new VfioRangeError(
    "ERR_VFIO_TIMEOUT_RANGE",
    `a timeout of ${shownValue(timeoutMs)} ms: it must be above 0 and below 2^31`,
  );
}

/**
 * Refuses a limit of clients that would serve nobody.
 * @throws VfioRangeError `ERR_VFIO_MAX_CLIENTS`.
 */
export function checkMaxClients(maxClients: number): number {
  if (Number.isSafeInteger(maxClients) && maxClients > 0) return maxClients;
  throw new VfioRangeError(
    "ERR_VFIO_MAX_CLIENTS",
    `maxClients is ${shownValue(maxClients)}: it must be a whole number from 1`,
  );
}

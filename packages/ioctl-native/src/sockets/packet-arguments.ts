import { types } from "node:util";
import { shownValue } from "../errors/argument-error.js";
import { VfioRangeError } from "../errors/errors.js";

const MAX_PACKET = 16 * 2 ** 20;
const MAX_FDS = 253;

/** @throws VfioRangeError `ERR_VFIO_PACKET_ARGUMENT` for what cannot be sent. */
export function checkPacket(bytes: unknown, fds: unknown): void {
  if (!types.isUint8Array(bytes)) throw argumentError("bytes must be a Uint8Array");
  if (!Array.isArray(fds)) throw argumentError("fds must be an array");
}

/** @throws VfioRangeError `ERR_VFIO_PACKET_ARGUMENT` for more than can be received. */
export function checkRoom(maxBytes: number, maxFds: number): void {
  checkCount("maxBytes", maxBytes, MAX_PACKET);
  checkCount("maxFds", maxFds, MAX_FDS);
}

/** @throws VfioRangeError `ERR_VFIO_PACKET_ARGUMENT` unless `value` is a whole number from 0 to `most`. */
export function checkCount(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw argumentError(`${name} must be a whole number from 0 to ${most}, not ${shownValue(value)}`);
}

function argumentError(problem: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_PACKET_ARGUMENT", problem);
}

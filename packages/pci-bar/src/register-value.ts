import { inspect } from "node:util";
import { VfioRangeError } from "@vfio/ioctl-native";

/**
 * A value for a register of so many bytes. JavaScript's bit operators give signed numbers, so -1 is accepted where
 * 0xffffffff is meant.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_VALUE`.
 */
export function checkValue(value: number, bytes: number): void {
  const limit = 2 ** (bytes * 8);
  if (Number.isInteger(value) && value >= -limit / 2 && value < limit) return;
  throw new VfioRangeError(
    "ERR_VFIO_REGISTER_VALUE",
    `the value of a register of ${bytes * 8} bits must be a number, an integer of so many bits, not ${shown(value)}`,
  );
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : `the ${typeof value} ${inspect(value, { depth: -1 })}`;
}

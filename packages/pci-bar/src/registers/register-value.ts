import { VfioRangeError } from "@vfio/ioctl-native";

/**
 * Checks a value for a register of `bytes` bytes. JavaScript's bit operators give signed numbers, so -1 is accepted for
 * 0xffffffff.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_VALUE`.
 */
export function checkValue(value: number, bytes: number): void {
  const limit = 2 ** (bytes * 8);
  if (Number.isInteger(value) && value >= -limit / 2 && value < limit) return;
  const bits = bytes * 8;
  throw new VfioRangeError(
    "ERR_VFIO_REGISTER_VALUE",
    `the value of a register of ${bits} bits must be a number, a whole one from -(2 ** ${bits - 1}) to 2 ** ${bits} - 1, not ${shown(value)}`,
  );
}

export function checkWideValue(value: bigint): void {
  if (typeof value === "bigint" && BigInt.asUintN(64, value) === value) return;
  throw new VfioRangeError(
    "ERR_VFIO_REGISTER_VALUE",
    `the value of a register of 64 bits must be a bigint from 0n to 2n ** 64n - 1n, not ${shown(value)}`,
  );
}

function shown(value: unknown): string {
  if (typeof value === "number" || value === undefined || value === null) return String(value);
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** `pread` and `pwrite` have no 64-bit access. */
export function registerWidthError(name: string): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_REGISTER_WIDTH",
    `${name} has no 64-bit access here: it is reached by pread and pwrite, and the kernel may split such an access into two`,
    { hint: "Use two 32-bit accesses, in the order that the device wants" },
  );
}

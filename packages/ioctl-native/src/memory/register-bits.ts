/** True for a whole number of so many bits, signed (as JavaScript's bit operators make it) or not. */
export function hasBitsOf(bits: 8 | 16, value: number): boolean {
  return (
    typeof value === "number" && (value | 0) === value && value >= -(1 << (bits - 1)) && value < 1 << bits
  );
}

/** True for a whole number of 32 bits, signed or not. */
export function has32Bits(value: number): boolean {
  return typeof value === "number" && ((value | 0) === value || value >>> 0 === value);
}

/** True for a bigint from 0 to 2^64 - 1. */
export function has64Bits(value: bigint): boolean {
  return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
}

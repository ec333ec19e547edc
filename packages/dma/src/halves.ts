/** Which of the two 32-bit words of a 64-bit number in memory is the lower, and which the upper half. */
export const [LOW, HIGH] = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? [0, 1] : [1, 0];

const quad = new BigUint64Array(1);
const words = new Uint32Array(quad.buffer);

/**
 * A whole number from 0 to 2^53 - 1, or a power of two below 2^64, as a bigint. What is done for every mapping uses this:
 * `BigInt(number)` leaves compiled code for V8's runtime.
 */
export function bigIntOf(value: number): bigint {
  words[LOW] = value;
  words[HIGH] = value / 2 ** 32;
  return quad[0] ?? 0n;
}

/** The indexes of the lower and upper 32-bit word of a 64-bit number in memory. */
export const [LOW_WORD = NaN, HIGH_WORD = NaN] = new Uint8Array(new Uint16Array([0x0100]).buffer);

const quad = new BigUint64Array(1);
const words = new Uint32Array(quad.buffer);

/** As `BigInt(value)`, but without leaving compiled code for V8's runtime: for the work done at every mapping. */
export function bigIntOf(value: number): bigint {
  if (!(value >= 0 && value < 2 ** 64 && Number.isInteger(value))) return BigInt(value);
  words[LOW_WORD] = value;
  words[HIGH_WORD] = value / 2 ** 32;
  return quad[0] ?? 0n;
}

/** Which of the two 32-bit words of a 64-bit number in memory is the lower, and which the upper half. */
export const [LOW = NaN, HIGH = NaN] = new Uint8Array(new Uint16Array([0x0100]).buffer);

const quad = new BigUint64Array(1);
const words = new Uint32Array(quad.buffer);

/** As `BigInt(value)`, which leaves compiled code for V8's runtime: what is done for every mapping uses this. */
export function bigIntOf(value: number): bigint {
  if (!(value >= 0 && value < 2 ** 64 && Number.isInteger(value))) return BigInt(value);
  words[LOW] = value;
  words[HIGH] = value / 2 ** 32;
  return quad[0] ?? 0n;
}

/** The last of some ascending addresses, given in halves, that is not above another; -1 if all are. */
export function lastUpTo(lows: Uint32Array, highs: Uint32Array, low: number, high: number): number {
  let from = 0;
  let to = lows.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const upper = highs[middle] ?? 0;
    if (upper < high || (upper === high && (lows[middle] ?? 0) <= low)) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

/** Which of the two 32-bit words of a 64-bit number in memory is the lower, and which the upper half. */
export const [LOW, HIGH] = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? [0, 1] : [1, 0];

/** A 64-bit number that is counted on in halves: BigInt arithmetic makes an object each time. */
export class HalvesCounter {
  low: number;
  high: number;

  constructor(value: bigint) {
    this.low = Number(value & 0xffff_ffffn);
    this.high = Number(value >> 32n);
  }

  add({ low, high }: HalvesCounter): void {
    const sum = this.low + low;
    const carry = sum >= 2 ** 32 ? 1 : 0;
    this.low = sum - carry * 2 ** 32;
    this.high += high + carry;
  }
}

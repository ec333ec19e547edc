import { lastUpTo } from "../iova/halves.js";

/**
 * Which block of a pool holds a device's address, by bisection over the stretches in which its blocks lie behind each
 * other for the device. It makes no garbage.
 */
export class BlockIndex {
  readonly #blockBytes: number;
  /** For each stretch, in the order of addresses: the halves of its address, its first block, the one behind its last. */
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #first: Uint32Array;
  readonly #end: Uint32Array;

  /**
   * @param low the lower half of each block's address.
   * @param high the upper half.
   */
  constructor(low: Uint32Array, high: Uint32Array, blockBytes: number) {
    const blocks = Array.from(low, (_, block) => block);
    const firsts = blocks.filter(
      (block) => block === 0 || distance(low, high, block - 1, block) !== blockBytes,
    );
    const ends = new Map(firsts.map((first, at) => [first, firsts[at + 1] ?? low.length]));
    const sorted = firsts.toSorted((one, other) => distance(low, high, other, one));
    this.#blockBytes = blockBytes;
    this.#low = Uint32Array.from(sorted, (first) => low[first] ?? 0);
    this.#high = Uint32Array.from(sorted, (first) => high[first] ?? 0);
    this.#first = Uint32Array.from(sorted);
    this.#end = Uint32Array.from(sorted, (first) => ends.get(first) ?? 0);
  }

  /** The block that holds an address, given in halves; -1 if none does. */
  find(low: number, high: number): number {
    const at = lastUpTo(this.#low, this.#high, low, high);
    const within = (high - (this.#high[at] ?? 0)) * 2 ** 32 + (low - (this.#low[at] ?? 0));
    const block = (this.#first[at] ?? 0) + Math.floor(within / this.#blockBytes);
    // Below all stretches there is no end (undefined); and no half of an address is negative or a fraction.
    return block < (this.#end[at] ?? 0) && low >>> 0 === low && high >>> 0 === high ? block : -1;
  }
}

/** How far one block lies behind another. Exact for what is near, and of the right sign for all: the halves are. */
function distance(low: Uint32Array, high: Uint32Array, from: number, to: number): number {
  return ((high[to] ?? 0) - (high[from] ?? 0)) * 2 ** 32 + ((low[to] ?? 0) - (low[from] ?? 0));
}

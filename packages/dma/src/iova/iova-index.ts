import { lastUpTo } from "./halves.js";
import type { IovaPiece } from "./iova-pieces.js";

/** The way back from a device's address to an offset of the memory, by bisection; it makes no garbage. */
export class IovaIndex {
  /** The pieces in the order of their device addresses: the halves of the address, the place in the memory. */
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #offset: Float64Array;
  readonly #bytes: Float64Array;
  readonly #end: Float64Array;

  /** @param pieces without holes. */
  constructor(pieces: readonly IovaPiece[]) {
    const sorted = pieces.toSorted((one, other) => (one.iova < other.iova ? -1 : 1));
    this.#low = Uint32Array.from(sorted, ({ iova }) => Number(iova & 0xffff_ffffn));
    this.#high = Uint32Array.from(sorted, ({ iova }) => Number(iova >> 32n));
    this.#offset = Float64Array.from(sorted, ({ offset }) => offset);
    this.#bytes = Float64Array.from(sorted, ({ bytes }) => bytes);
    this.#end = Float64Array.from(sorted, ({ end }) => end);
  }

  /** The offset of a device's address from which on so many bytes are one piece for the device; -1 if there is none. */
  offsetOf(low: number, high: number, bytes: number): number {
    const piece = lastUpTo(this.#low, this.#high, low, high);
    const within = low - (this.#low[piece] ?? 0);
    const offset = (this.#offset[piece] ?? 0) + within;
    // Written so that NaN and an address below all pieces (undefined) fail it too.
    const inside = this.#high[piece] === high && within < (this.#bytes[piece] ?? 0) && low >>> 0 === low;
    const reaches = bytes >= 1 && offset + bytes <= (this.#end[piece] ?? 0) && Number.isInteger(bytes);
    return inside && reaches ? offset : -1;
  }
}

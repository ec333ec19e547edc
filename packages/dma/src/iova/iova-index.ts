import { firstFrom, type Extent } from "@vfio/ioctl-native";
import { cutAtBorders } from "./table-extents.js";

/** The way back from a device's address to an offset of the memory, by bisection; it makes no garbage. */
export class IovaIndex {
  /** The extents in the order of their device addresses: the address, rounded, its halves, the place in the memory. */
  readonly #iova: Float64Array;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #offset: Float64Array;
  readonly #bytes: Float64Array;
  readonly #end: Float64Array;

  constructor(extents: readonly Extent[]) {
    const sorted = cutAtBorders(extents).sort((one, other) => (one.iova < other.iova ? -1 : 1));
    this.#iova = Float64Array.from(sorted, ({ iova }) => Number(iova));
    this.#low = Uint32Array.from(sorted, ({ iova }) => Number(iova & 0xffff_ffffn));
    this.#high = Uint32Array.from(sorted, ({ iova }) => Number(iova >> 32n));
    this.#offset = Float64Array.from(sorted, ({ offset }) => offset);
    this.#bytes = Float64Array.from(sorted, ({ bytes }) => bytes);
    this.#end = Float64Array.from(sorted, ({ end }) => end);
  }

  /** The offset of a device's address from which on so many bytes are one piece for the device; -1 if there is none. */
  offsetOf(low: number, high: number, bytes: number): number {
    const at = this.#lastUpTo(low, high);
    const within = low - (this.#low[at] ?? 0);
    const offset = (this.#offset[at] ?? 0) + within;
    // Written so that NaN and an address below all extents (undefined) fail it too.
    const inside = this.#high[at] === high && within < (this.#bytes[at] ?? 0) && low >>> 0 === low;
    const reaches = bytes >= 1 && offset + bytes <= (this.#end[at] ?? 0) && Number.isInteger(bytes);
    return inside && reaches ? offset : -1;
  }

  /** The last extent that does not start above an address; -1 if all do. */
  #lastUpTo(low: number, high: number): number {
    let next = firstFrom(this.#iova, this.#iova.length, high * 2 ** 32 + low);
    while (this.#high[next] === high && (this.#low[next] ?? 0) <= low) next++;
    return next - 1;
  }
}

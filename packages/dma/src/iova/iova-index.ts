import { type Extent } from "@vfio/ioctl-native";
import { firstFrom } from "@vfio/ioctl-native/internal";
import { cutAtBorders } from "./table-extents.js";

/** Finds the memory offset of a device address by bisection, without garbage. */
export class IovaIndex {
  /**
   * The extents in the order of their device addresses: the address, rounded, and its halves; the offset less the lower
   * half; where it ends in the memory, and where its uncut extent does.
   */
  readonly #iova: Float64Array;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #offset: Float64Array;
  readonly #border: Float64Array;
  readonly #end: Float64Array;

  constructor(extents: readonly Extent[]) {
    const sorted = cutAtBorders(extents).sort((one, other) => (one.iova < other.iova ? -1 : 1));
    this.#iova = Float64Array.from(sorted, ({ iova }) => Number(iova));
    this.#low = Uint32Array.from(sorted, ({ iova }) => Number(iova & 0xffff_ffffn));
    this.#high = Uint32Array.from(sorted, ({ iova }) => Number(iova >> 32n));
    this.#offset = Float64Array.from(sorted, ({ offset }, at) => offset - (this.#low[at] ?? 0));
    this.#border = Float64Array.from(sorted, ({ offset, bytes }) => offset + bytes);
    this.#end = Float64Array.from(sorted, ({ end }) => end);
  }

  /** The offset of a device address if `bytes` from there are one piece for the device, else -1. */
  offsetOf(low: number, high: number, bytes: number): number {
    const at = this.#lastUpTo(low, high);
    if (at < 0) return -1;
    const offset = (this.#offset[at] ?? 0) + low;
    // Written so that NaN fails it too.
    const inside = this.#high[at] === high && offset < (this.#border[at] ?? 0) && low >>> 0 === low;
    const reaches = bytes >= 1 && offset + bytes <= (this.#end[at] ?? 0) && Number.isInteger(bytes);
    return inside && reaches ? offset : -1;
  }

  /** The last extent that does not start above an address; -1 if all do. */
  #lastUpTo(low: number, high: number): number {
    const count = this.#iova.length;
    // Refuses bigints, which compare with numbers without complaint.
    const rounded = high * 2 ** 32 + low;
    if (count === 1) return this.#isUpTo(0, low, high) ? 0 : -1;
    let next = firstFrom(this.#iova, count, rounded);
    while (next < count && this.#isUpTo(next, low, high)) next++;
    return next - 1;
  }

  #isUpTo(at: number, low: number, high: number): boolean {
    const upper = this.#high[at] ?? 0;
    return upper < high || (upper === high && (this.#low[at] ?? 0) <= low);
  }
}

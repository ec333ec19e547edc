import { VfioRangeError } from "@vfio/ioctl-native";
import { formatAddress, formatRange } from "./format.js";
import { joined } from "./joined.js";

/** A stretch of memory that is mapped in one piece. */
export interface DmaSegment {
  /** Where it starts in the memory, in bytes. */
  readonly offset: number;
  /** The address under which devices reach it. */
  readonly iova: bigint;
  /** Its length. */
  readonly bytes: number;
}

/** No granule is larger, so that offsets below 2 GiB can be shifted as 32-bit integers. */
const LARGEST_GRANULE = 1n << 30n;

/**
 * Translates offsets of one memory into the addresses that a device uses, and back.
 *
 * For hot loops there are the halves, {@link iovaLow} and {@link iovaHigh}: they take a table look-up and make no
 * BigInt. Where segments follow each other without a hole in the device's addresses, they count as one.
 * @example
 * ```ts
 * import { IovaTable } from "@vfio/dma";
 *
 * const table = new IovaTable([
 *   { offset: 0, iova: 0x1_0000_0000n, bytes: 4096 },
 *   { offset: 4096, iova: 0x2_0000_0000n, bytes: 4096 },
 * ]);
 * console.log(table.iovaHigh(4100), table.iovaLow(4100)); // 2 4
 * console.log(table.offsetOf(0x1_0000_0010n)); // 16
 * ```
 */
export class IovaTable {
  /** What it was made of. */
  readonly segments: readonly DmaSegment[];
  /** The largest power of two that divides all addresses and lengths: within a granule nothing changes. */
  readonly #granule: number;
  readonly #shift: number;
  /** For each granule: the lower half of its IOVA less its offset; the upper half; where its stretch of memory ends. */
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #end: Float64Array;

  /** @param segments in the memory's order; their addresses and lengths are multiples of the IOMMU's page size. */
  constructor(segments: readonly DmaSegment[]) {
    this.segments = segments;
    this.#granule = granuleOf(segments);
    this.#shift = Math.log2(this.#granule);
    const bytes = segments.reduce((end, segment) => Math.max(end, segment.offset + segment.bytes), 0);
    const granules = Math.ceil(bytes / this.#granule);
    this.#low = new Uint32Array(granules);
    this.#high = new Uint32Array(granules);
    this.#end = new Float64Array(granules);
    for (const stretch of joined(segments)) this.#fill(stretch);
  }

  /**
   * The IOVA of a part of the memory.
   * @param offset where the part starts in the memory, in bytes.
   * @param bytes its length. A device sees no more in one piece than follows without a hole in its addresses. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`, telling which segments there are.
   */
  iovaOf(offset: number, bytes = 1): bigint {
    return (BigInt(this.iovaHigh(offset, bytes)) << 32n) | BigInt(this.iovaLow(offset, bytes));
  }

  /** The lower 32 bits of {@link iovaOf}. */
  iovaLow(offset: number, bytes = 1): number {
    return ((this.#low[this.#indexOf(offset, bytes)] ?? 0) + offset) >>> 0;
  }

  /** The upper 32 bits of {@link iovaOf}. */
  iovaHigh(offset: number, bytes = 1): number {
    // A granule is aligned to its own size, so it never crosses 4 GiB and there is no carry.
    return this.#high[this.#indexOf(offset, bytes)] ?? 0;
  }

  /**
   * The offset in the memory of an IOVA: what a device reports back.
   * @param bytes how much must be there in one piece. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`.
   */
  offsetOf(iova: bigint, bytes = 1): number {
    const last = iova + BigInt(bytes) - 1n;
    for (const each of joined(this.segments)) {
      const inside = bytes > 0 && iova >= each.iova && last < each.iova + BigInt(each.bytes);
      if (inside) return each.offset + Number(iova - each.iova);
    }
    throw notMapped(`no memory is mapped at IOVA ${formatRange(iova, Math.max(bytes, 1))}`, this.segments);
  }

  #indexOf(offset: number, bytes: number): number {
    // A shift where 32 bits do: it is several times faster than a division.
    const index = offset < 2 ** 31 ? offset >>> this.#shift : Math.floor(offset / this.#granule);
    // Written so that NaN, a negative offset and an index behind the end (undefined) fail it too.
    if (bytes >= 1 && offset + bytes <= (this.#end[index] ?? -1)) return index;
    throw notMapped(`no single DMA segment holds ${bytes} bytes at offset ${offset}`, this.segments);
  }

  #fill({ offset, iova, bytes }: DmaSegment): void {
    for (let at = offset; at < offset + bytes; at += this.#granule) {
      const index = at / this.#granule;
      const address = iova + BigInt(at - offset);
      this.#low[index] = Number((address - BigInt(at)) & 0xffff_ffffn);
      this.#high[index] = Number(address >> 32n);
      this.#end[index] = offset + bytes;
    }
  }
}

function granuleOf(segments: readonly DmaSegment[]): number {
  let bits = LARGEST_GRANULE;
  for (const { offset, iova, bytes } of segments) bits |= BigInt(offset) | iova | BigInt(bytes);
  return Number(bits & -bits);
}

function notMapped(problem: string, segments: readonly DmaSegment[]): VfioRangeError {
  const shown = segments
    .slice(0, 4)
    .map(({ offset, iova, bytes }) => `${offset}+${bytes} at ${formatAddress(iova)}`);
  const more = segments.length > 4 ? ` and ${segments.length - 4} more` : "";
  const list = segments.length === 0 ? "none" : shown.join(", ") + more;
  return new VfioRangeError("ERR_VFIO_NOT_MAPPED", `${problem}; the memory's segments are ${list}`);
}

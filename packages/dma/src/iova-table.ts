import { VfioRangeError } from "@vfio/ioctl-native";
import { formatAddress, formatRange } from "./format.js";

/** A stretch of memory that is mapped in one piece. */
export interface DmaSegment {
  /** Where it starts in the memory, in bytes. */
  readonly offset: number;
  /** The address under which devices reach it. */
  readonly iova: bigint;
  /** Its length. */
  readonly bytes: number;
}

const PAGE = 4096;
const HALF = 2 ** 32;

/**
 * Translates offsets of one memory into the addresses that a device uses, and back.
 *
 * For hot loops there are the halves, {@link iovaLow} and {@link iovaHigh}: they take a table look-up and make no
 * BigInt. Where segments follow each other without a hole in the device's addresses, they count as one.
 */
export class IovaTable {
  /** The pieces of the memory, in ascending order of their offsets. */
  readonly segments: readonly DmaSegment[];
  readonly #bytes: number;
  readonly #pageBytes: number;
  /** For each page: the halves of its IOVA, and where the stretch that it belongs to ends in the memory. */
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #end: Float64Array;

  /**
   * @param segments in the memory's order.
   * @param pageBytes divides every segment's offset and length.
   */
  constructor(segments: readonly DmaSegment[], pageBytes: number = PAGE) {
    this.segments = segments;
    this.#pageBytes = pageBytes;
    this.#bytes = segments.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes), 0);
    const pages = Math.ceil(this.#bytes / pageBytes);
    this.#low = new Uint32Array(pages);
    this.#high = new Uint32Array(pages);
    this.#end = new Float64Array(pages);
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
    const page = this.#pageOf(offset, bytes);
    // Pages and their IOVAs have the same alignment, at least 4096: no carry into the upper half but for huge pages.
    return ((this.#low[page] ?? 0) + (offset - page * this.#pageBytes)) >>> 0;
  }

  /** The upper 32 bits of {@link iovaOf}. */
  iovaHigh(offset: number, bytes = 1): number {
    const page = this.#pageOf(offset, bytes);
    const low = (this.#low[page] ?? 0) + (offset - page * this.#pageBytes);
    return (this.#high[page] ?? 0) + (low >= HALF ? 1 : 0);
  }

  /**
   * The offset in the memory of an IOVA: what a device reports back.
   * @param bytes how much must be there in one piece. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`.
   */
  offsetOf(iova: bigint, bytes = 1): number {
    const last = iova + BigInt(bytes) - 1n;
    for (const each of joined(this.segments)) {
      if (bytes > 0 && iova >= each.iova && last < each.iova + BigInt(each.bytes))
        return each.offset + Number(iova - each.iova);
    }
    throw notMapped(`no memory is mapped at IOVA ${formatRange(iova, Math.max(bytes, 1))}`, this.segments);
  }

  #pageOf(offset: number, bytes: number): number {
    const page = Math.floor(offset / this.#pageBytes);
    // Written so that NaN, a negative offset and a page behind the end (undefined) fail it too.
    if (bytes >= 1 && offset + bytes <= (this.#end[page] ?? -1)) return page;
    throw notMapped(`no single DMA segment holds ${bytes} bytes at offset ${offset}`, this.segments);
  }

  #fill({ offset, iova, bytes }: DmaSegment): void {
    for (let at = 0; at < bytes; at += this.#pageBytes) {
      const page = (offset + at) / this.#pageBytes;
      const address = iova + BigInt(at);
      this.#low[page] = Number(address & 0xffff_ffffn);
      this.#high[page] = Number(address >> 32n);
      this.#end[page] = offset + bytes;
    }
  }
}

/** Segments that follow each other in the memory and in the device's addresses, as one. */
function joined(segments: readonly DmaSegment[]): DmaSegment[] {
  const stretches: DmaSegment[] = [];
  for (const segment of segments) {
    const last = stretches.at(-1);
    const follows =
      last !== undefined &&
      last.offset + last.bytes === segment.offset &&
      last.iova + BigInt(last.bytes) === segment.iova;
    if (follows) stretches[stretches.length - 1] = { ...last, bytes: last.bytes + segment.bytes };
    else stretches.push(segment);
  }
  return stretches;
}

function notMapped(problem: string, segments: readonly DmaSegment[]): VfioRangeError {
  const shown = segments
    .slice(0, 4)
    .map(({ offset, iova, bytes }) => `${offset}+${bytes} at ${formatAddress(iova)}`);
  const more = segments.length > 4 ? ` and ${segments.length - 4} more` : "";
  const list = segments.length === 0 ? "none" : shown.join(", ") + more;
  return new VfioRangeError("ERR_VFIO_NOT_MAPPED", `${problem}; the memory's segments are ${list}`);
}

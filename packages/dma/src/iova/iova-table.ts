import { shownValue, VfioRangeError } from "@vfio/ioctl-native";
import { argumentError, isList, numberError } from "../arguments.js";
import type { DmaSegment } from "./dma-segment.js";
import { formatAddress } from "./format.js";
import { IovaIndex } from "./iova-index.js";
import { granuleOf, piecesOf, type IovaPiece } from "./iova-pieces.js";
import { joined } from "./joined.js";

export type { DmaSegment } from "./dma-segment.js";

/**
 * Translates offsets of one memory into the addresses that a device uses, and back.
 *
 * For hot loops there are the halves: {@link iovaInto}, {@link iovaLow}, {@link iovaHigh} take a table look-up,
 * {@link offsetOfHalves} a bisection, and none makes a BigInt. Where segments follow each other without a hole in the
 * device's addresses, they count as one.
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
 *
 * const descriptor = new Uint32Array(4);
 * table.iovaInto(descriptor, 0, 4100, 60); // 60 bytes at offset 4100, for the device
 * console.log(table.offsetOfHalves(4, 2)); // 4100
 * ```
 */
export class IovaTable {
  /** What it was made of. */
  readonly segments: readonly DmaSegment[];
  /** The segments, joined where they follow each other: what is one piece for the device. */
  readonly stretches: readonly DmaSegment[];
  /** The size of a granule of the memory; the same as a shift and, a power of two's inverse, as an exact factor. */
  readonly #granule: number;
  readonly #shift: number;
  readonly #granulesPerByte: number;
  readonly #granules: number;
  /**
   * For each granule that lies in one piece, and behind them for each piece: where its stretch ends (0 for a granule
   * that needs a search), and the halves of its IOVA, the lower one less the offset.
   */
  readonly #end: Float64Array;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  /** Where each piece starts in the memory. */
  readonly #starts: Float64Array;
  /** The way back, which many tables never need. */
  #back: IovaIndex | undefined;

  /**
   * @param segments in the memory's order; their addresses and lengths are multiples of the IOMMU's page size.
   * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` for what is no list of segments.
   */
  constructor(segments: readonly DmaSegment[]) {
    checkSegments(segments);
    this.segments = segments;
    this.stretches = joined(segments);
    const pieces = piecesOf(this.stretches);
    this.#granule = granuleOf(pieces);
    this.#shift = Math.log2(this.#granule);
    this.#granulesPerByte = 1 / this.#granule;
    this.#granules = Math.ceil((pieces.at(-1)?.end ?? 0) / this.#granule);
    this.#end = new Float64Array(this.#granules + pieces.length);
    this.#low = new Uint32Array(this.#end.length);
    this.#high = new Uint32Array(this.#end.length);
    this.#starts = Float64Array.from(pieces, ({ offset }) => offset);
    pieces.forEach((piece, number) => this.#fill(piece, number));
  }

  /**
   * The IOVA of a part of the memory. Not for hot loops: it makes BigInts.
   * @param offset where the part starts in the memory, in bytes.
   * @param bytes its length. A device sees no more in one piece than follows without a hole in its addresses. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`, telling which segments there are.
   */
  iovaOf(offset: number, bytes = 1): bigint {
    const index = this.#indexOf(offset, bytes);
    const low = ((this.#low[index] ?? 0) + offset) >>> 0;
    return (BigInt(this.#high[index] ?? 0) << 32n) | BigInt(low);
  }

  /** The lower 32 bits of {@link iovaOf}. */
  iovaLow(offset: number, bytes = 1): number {
    return ((this.#low[this.#indexOf(offset, bytes)] ?? 0) + offset) >>> 0;
  }

  /** The upper 32 bits of {@link iovaOf}. */
  iovaHigh(offset: number, bytes = 1): number {
    return this.#high[this.#indexOf(offset, bytes)] ?? 0;
  }

  /**
   * Writes both halves of {@link iovaOf} into a descriptor with one look-up: `target[at]` becomes the lower half,
   * `target[at + 1]` the upper.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` as {@link iovaOf}; `ERR_VFIO_STRUCT_BOUNDS` if the target has no two
   * words there. Nothing is written then.
   */
  iovaInto(target: Uint32Array, at: number, offset: number, bytes = 1): void {
    const index = this.#indexOf(offset, bytes);
    if (!hasTwoWords(target, at)) throw outsideTarget(target, at);
    target[at] = (this.#low[index] ?? 0) + offset;
    target[at + 1] = this.#high[index] ?? 0;
  }

  /**
   * The offset in the memory of an IOVA: what a device reports back.
   * @param bytes how much must be there in one piece. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`, `ERR_VFIO_DMA_ARGUMENT`.
   */
  offsetOf(iova: bigint, bytes = 1): number {
    if (typeof iova !== "bigint") throw argumentError(iova, "a bigint as an IOVA");
    const offset = this.#offsetAt(Number(BigInt.asUintN(32, iova)), Number(iova >> 32n), bytes);
    if (offset >= 0) return offset;
    throw notMapped(`no ${bytes} bytes are mapped at IOVA ${formatAddress(iova)}`, this.segments);
  }

  /**
   * As {@link offsetOf}, from the halves of the IOVA, each a whole number from 0 to 0xffffffff: for hot loops, since
   * it makes no BigInt.
   */
  offsetOfHalves(low: number, high: number, bytes = 1): number {
    const offset = this.#offsetAt(low, high, bytes);
    if (offset >= 0) return offset;
    const halves = `with the lower half ${low} and the upper half ${high}`;
    throw notMapped(`no ${bytes} bytes are mapped at the IOVA ${halves}`, this.segments);
  }

  #offsetAt(low: number, high: number, bytes: number): number {
    try {
      return (this.#back ?? this.#makeBack()).offsetOf(low, high, bytes);
    } catch (error) {
      throw numberError([low, high, bytes], error);
    }
  }

  #makeBack(): IovaIndex {
    return (this.#back = new IovaIndex(piecesOf(this.stretches)));
  }

  #indexOf(offset: number, bytes: number): number {
    try {
      // A shift where 32 bits do, since it is faster. Bad offsets get some index too: its end refuses them.
      const index = offset < 2 ** 31 ? offset >>> this.#shift : (offset * this.#granulesPerByte) >>> 0;
      return this.#holds(index, offset, bytes) ? index : this.#search(offset, bytes);
    } catch (error) {
      throw numberError([offset, bytes], error);
    }
  }

  /**
   * Written so that NaN and an index behind the end (undefined) fail it too. Between them and the granules are the
   * pieces, none of which ends as far on as such an offset.
   */
  #holds(index: number, offset: number, bytes: number): boolean {
    const inside = offset >= 0 && bytes >= 1 && offset + bytes <= (this.#end[index] ?? 0);
    return inside && Number.isInteger(offset) && Number.isInteger(bytes);
  }

  /** By bisection, for the granules in which pieces meet. */
  #search(offset: number, bytes: number): number {
    let from = 0;
    let to = this.#starts.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) from = middle + 1;
      else to = middle;
    }
    const index = this.#granules + from - 1;
    if (from > 0 && this.#holds(index, offset, bytes)) return index;
    throw notMapped(`no single DMA segment holds ${bytes} bytes at offset ${offset}`, this.segments);
  }

  #fill({ offset, iova, bytes, end }: IovaPiece, number: number): void {
    const low = Number(BigInt.asUintN(32, iova - BigInt(offset)));
    const high = Number(iova >> 32n);
    const set = (from: number, to: number): void => {
      this.#end.fill(end, from, to);
      this.#low.fill(low, from, to);
      this.#high.fill(high, from, to);
    };
    const first = Math.ceil(offset / this.#granule);
    set(first, Math.max(first, Math.floor((offset + bytes) / this.#granule)));
    set(this.#granules + number, this.#granules + number + 1);
  }
}

function checkSegments(segments: readonly (Partial<DmaSegment> | undefined)[]): void {
  const expected = "segments, a list of { offset: number, iova: bigint, bytes: number },";
  if (!isList(segments)) throw argumentError(segments, expected);
  for (const segment of segments) {
    const areNumbers = isCount(segment?.offset) && isCount(segment?.bytes);
    if (!areNumbers || typeof segment?.iova !== "bigint" || BigInt.asUintN(64, segment.iova) !== segment.iova)
      throw argumentError(segment, expected);
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** That there is no target is found out by the failure: it costs nothing before. */
function hasTwoWords(target: Uint32Array, at: number): boolean {
  try {
    return Number.isInteger(at) && at >= 0 && at + 1 < target.length;
  } catch {
    return false;
  }
}

function outsideTarget(target: Partial<Uint32Array> | null | undefined, at: number): VfioRangeError {
  if (typeof target?.length !== "number")
    return argumentError(target, "a Uint32Array for the halves of an IOVA");
  const problem = `an IOVA takes two words: it does not fit at index ${shownValue(at)} of ${target.length} words`;
  return new VfioRangeError("ERR_VFIO_STRUCT_BOUNDS", problem);
}

function notMapped(problem: string, segments: readonly DmaSegment[]): VfioRangeError {
  const shown = segments
    .slice(0, 4)
    .map(({ offset, iova, bytes }) => `${offset}+${bytes} at ${formatAddress(iova)}`);
  const more = segments.length > 4 ? ` and ${segments.length - 4} more` : "";
  const list = segments.length === 0 ? "none" : shown.join(", ") + more;
  return new VfioRangeError("ERR_VFIO_NOT_MAPPED", `${problem}; the memory's segments are ${list}`);
}

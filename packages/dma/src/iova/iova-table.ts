import { VfioRangeError, type Extent } from "@vfio/ioctl-native";
import { firstFrom, formatAddress, joinAdjacent, printAs, shownValue } from "@vfio/ioctl-native/internal";
import { argumentError, isList, numberError } from "../arguments.js";
import { IovaIndex } from "./iova-index.js";
import { cutAtBorders, slotBytesOf, type TableExtent } from "./table-extents.js";

/**
 * Translates offsets of one memory into the addresses that a device uses, and back.
 *
 * For hot loops there are the halves: {@link iovaInto}, {@link iovaLow}, {@link iovaHigh} take a table look-up,
 * {@link offsetOfHalves} a bisection, and none makes a BigInt. Where extents follow each other without a hole in the
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
  static {
    printAs(IovaTable, (it) => ({ extents: it.extents.length }));
  }

  /** In the memory's order; adjacent extents are joined. */
  readonly extents: readonly Extent[];
  readonly #madeOf: readonly Extent[];
  /** The size of a slot of the memory; the same as a shift and, a power of two's inverse, as an exact factor. */
  readonly #slotBytes: number;
  readonly #shift: number;
  readonly #slotsPerByte: number;
  readonly #slots: number;
  /**
   * For each slot that lies in one extent, and behind them for each extent that has no border at 4 GiB: where it ends
   * before such cuts (0 for a slot that needs a search), and the halves of its IOVA, the lower one less the offset.
   */
  readonly #end: Float64Array;
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #starts: Float64Array;
  /** Made on first use: many tables never need it. */
  #back: IovaIndex | undefined;

  /**
   * @param extents in the memory's order; their addresses and lengths are multiples of the IOMMU's page size.
   * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` if `extents` is no list of extents.
   */
  constructor(extents: readonly Extent[]) {
    checkExtents(extents);
    this.#madeOf = extents;
    this.extents = joinAdjacent(extents);
    const cut = cutAtBorders(this.extents);
    this.#slotBytes = slotBytesOf(cut);
    this.#shift = Math.log2(this.#slotBytes);
    this.#slotsPerByte = 1 / this.#slotBytes;
    this.#slots = Math.ceil((cut.at(-1)?.end ?? 0) / this.#slotBytes);
    this.#end = new Float64Array(this.#slots + cut.length);
    this.#low = new Uint32Array(this.#end.length);
    this.#high = new Uint32Array(this.#end.length);
    this.#starts = Float64Array.from(cut, ({ offset }) => offset);
    cut.forEach((extent, number) => this.#fill(extent, number));
  }

  /** @deprecated Use {@link extents}. */
  get segments(): readonly Extent[] {
    return this.#madeOf;
  }

  /** @deprecated Use {@link extents}. */
  get stretches(): readonly Extent[] {
    return this.extents;
  }

  /**
   * The IOVA of a part of the memory. Not for hot loops: it makes BigInts.
   * @param offset where the part starts in the memory, in bytes.
   * @param bytes the part's length, all of it one piece for the device. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`, naming the extents there are.
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
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED` as {@link iovaOf}; `ERR_VFIO_STRUCT_BOUNDS` if the target lacks two
   * words there; nothing is written then.
   */
  iovaInto(target: Uint32Array, at: number, offset: number, bytes = 1): void {
    const index = this.#indexOf(offset, bytes);
    // JavaScript callers may pass anything. Written out here: as a function, it costs 6 % of the call.
    const words = target as Uint32Array | null | undefined;
    if (!(words && Number.isInteger(at) && at >= 0 && at + 1 < words.length)) throw outsideTarget(target, at);
    target[at] = (this.#low[index] ?? 0) + offset;
    target[at + 1] = this.#high[index] ?? 0;
  }

  /**
   * The memory offset of an IOVA, such as a device reports back.
   * @param bytes the bytes that must follow there in one piece. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`, `ERR_VFIO_DMA_ARGUMENT`.
   */
  offsetOf(iova: bigint, bytes = 1): number {
    if (typeof iova !== "bigint") throw argumentError(iova, "a bigint as an IOVA");
    const offset = this.#offsetAt(Number(BigInt.asUintN(32, iova)), Number(iova >> 32n), bytes);
    if (offset >= 0) return offset;
    throw notMapped(`no ${bytes} bytes are mapped at IOVA ${formatAddress(iova)}`, this.extents);
  }

  /**
   * As {@link offsetOf}, from the IOVA's halves (whole numbers from 0 to 0xffffffff): for hot loops, as it makes no
   * BigInt.
   */
  offsetOfHalves(low: number, high: number, bytes = 1): number {
    const offset = this.#offsetAt(low, high, bytes);
    if (offset >= 0) return offset;
    const halves = `with the lower half ${low} and the upper half ${high}`;
    throw notMapped(`no ${bytes} bytes are mapped at the IOVA ${halves}`, this.extents);
  }

  #offsetAt(low: number, high: number, bytes: number): number {
    try {
      return (this.#back ?? this.#makeBack()).offsetOf(low, high, bytes);
    } catch (error) {
      throw numberError([low, high, bytes], error);
    }
  }

  #makeBack(): IovaIndex {
    return (this.#back = new IovaIndex(this.extents));
  }

  #indexOf(offset: number, bytes: number): number {
    try {
      // A shift where 32 bits do, since it is faster. A bad offset gets some index too, whose end refuses it.
      const index = offset < 2 ** 31 ? offset >>> this.#shift : (offset * this.#slotsPerByte) >>> 0;
      return this.#holds(index, offset, bytes) ? index : this.#search(offset, bytes);
    } catch (error) {
      throw numberError([offset, bytes], error);
    }
  }

  /** Written so that NaN and an index behind the end (undefined) fail too. */
  #holds(index: number, offset: number, bytes: number): boolean {
    const inside = offset >= 0 && bytes >= 1 && offset + bytes <= (this.#end[index] ?? 0);
    return inside && Number.isInteger(offset) && Number.isInteger(bytes);
  }

  /** By bisection, for the slots in which extents meet. */
  #search(offset: number, bytes: number): number {
    const next = firstFrom(this.#starts, this.#starts.length, offset + 1);
    const index = this.#slots + next - 1;
    if (next > 0 && this.#holds(index, offset, bytes)) return index;
    throw notMapped(`no single extent holds ${bytes} bytes at offset ${offset}`, this.extents);
  }

  #fill({ offset, iova, bytes, end }: TableExtent, number: number): void {
    const low = Number(BigInt.asUintN(32, iova - BigInt(offset)));
    const high = Number(iova >> 32n);
    const set = (from: number, to: number): void => {
      this.#end.fill(end, from, to);
      this.#low.fill(low, from, to);
      this.#high.fill(high, from, to);
    };
    const first = Math.ceil(offset / this.#slotBytes);
    set(first, Math.max(first, Math.floor((offset + bytes) / this.#slotBytes)));
    set(this.#slots + number, this.#slots + number + 1);
  }
}

function checkExtents(extents: readonly (Partial<Extent> | undefined)[]): void {
  const expected = "extents, a list of { offset: number, iova: bigint, bytes: number },";
  if (!isList(extents)) throw argumentError(extents, expected);
  for (const extent of extents) {
    const areNumbers = isSize(extent?.offset) && isSize(extent?.bytes);
    if (!areNumbers || typeof extent?.iova !== "bigint" || BigInt.asUintN(64, extent.iova) !== extent.iova)
      throw argumentError(extent, expected);
  }
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function outsideTarget(target: Partial<Uint32Array> | null | undefined, at: number): VfioRangeError {
  if (typeof target?.length !== "number")
    return argumentError(target, "a Uint32Array for the halves of an IOVA");
  const problem = `an IOVA takes two words: it does not fit at index ${shownValue(at)} of ${target.length} words`;
  return new VfioRangeError("ERR_VFIO_STRUCT_BOUNDS", problem);
}

function notMapped(problem: string, extents: readonly Extent[]): VfioRangeError {
  const shown = extents
    .slice(0, 4)
    .map(({ offset, iova, bytes }) => `${offset}+${bytes} at ${formatAddress(iova)}`);
  const more = extents.length > 4 ? ` and ${extents.length - 4} more` : "";
  const list = extents.length === 0 ? "none" : shown.join(", ") + more;
  return new VfioRangeError("ERR_VFIO_NOT_MAPPED", `${problem}; the memory's extents are ${list}`);
}

import { VfioError, VfioRangeError, type IovaRange, printAs, shownValue } from "@vfio/ioctl-native";
import { bigIntOf } from "./halves.js";
import { formatAddress, formatRange } from "./format.js";
import { checkObject, isList, isPowerOfTwo } from "../arguments.js";
import { RangeAllocator, type FreeStretch } from "./range-allocator.js";
import { SortedRanges } from "./sorted-ranges.js";

/** Options of {@link IovaAllocator}. */
export interface IovaAllocatorOptions {
  /** Where IOVAs may lie, ends included, as far as the container's IOMMU can map there. Default: wherever it can. */
  readonly ranges?: readonly IovaRange[];
  /** How many address bits the device drives: 28 for a device that reaches 256 MiB. Default: as many as the IOMMU. */
  readonly addressBits?: number;
  /** Windows to leave free, ends included: for another process's mappings, say. */
  readonly reserved?: readonly IovaRange[];
}

/**
 * Chooses IOVAs within the ranges of an IOMMU and the reach of a device. Freed space is used again and joined with
 * its neighbours; the lowest place that fits is taken, so the same calls give the same addresses.
 * @example
 * ```ts
 * import { IovaAllocator } from "@vfio/dma";
 *
 * const allocator = new IovaAllocator({
 *   ranges: [{ start: 0n, end: 0xfedf_ffffn }],
 *   reserved: [{ start: 0n, end: 0xffffn }],
 *   addressBits: 32,
 * });
 * const iova = allocator.allocate(2 << 20, 2 << 20);
 * console.log(iova.toString(16)); // 200000
 * allocator.release(iova);
 * ```
 */
export class IovaAllocator {
  static {
    printAs(IovaAllocator, (it) => ({ addressBits: it.addressBits, taken: it.#taken.all.length }));
  }

  /** How many address bits the device drives: nothing beyond them is given out. */
  readonly addressBits: number;
  /** Ranges that are never given out. */
  readonly reserved: readonly IovaRange[];
  readonly #taken = new SortedRanges<bigint>();
  /** Where somebody else's mappings were seen, ends included. */
  #avoided: readonly IovaRange[] = [];
  /** What the owner wants; `undefined` for no wish. */
  readonly #wanted: readonly IovaRange[] | undefined;
  /** What was reported last. */
  #reported: readonly IovaRange[] | undefined;
  #ranges: readonly IovaRange[];
  /** The ranges, as far as the device reaches. */
  #usable: readonly IovaRange[];
  #space: RangeAllocator;

  /** @throws VfioRangeError `ERR_VFIO_ADDRESS_BITS`, `ERR_VFIO_IOVA` for ranges that are none, `ERR_VFIO_DMA_ARGUMENT`. */
  constructor(options: IovaAllocatorOptions = {}) {
    checkObject(options, "options of an IovaAllocator");
    this.addressBits = checkedBits(options.addressBits ?? 64);
    this.reserved = checkedRanges(options.reserved ?? []);
    this.#wanted = options.ranges && checkedRanges(options.ranges);
    this.#ranges = this.#wanted ?? [];
    this.#usable = withinReach(this.#ranges, this.addressBits);
    this.#space = this.#freeSpace();
  }

  /** The ranges it gives IOVAs from, ends included, before reach and reservations are taken off. */
  get ranges(): readonly IovaRange[] {
    return this.#ranges;
  }

  /** What is free, in ascending order. */
  get free(): readonly FreeStretch[] {
    return this.#space.free;
  }

  /**
   * Keeps to what an IOMMU reports from now on: it changes when groups come and go. Of that, IOVAs come from the ranges
   * that this allocator was made with, if it was. What is taken stays taken.
   */
  useRanges(ranges: readonly IovaRange[]): void {
    if (ranges === this.#reported) return;
    checkedRanges(ranges);
    if (this.#reported !== undefined && sameRanges(ranges, this.#reported)) return;
    this.#reported = ranges;
    this.#ranges = this.#wanted === undefined ? ranges : commonRanges(this.#wanted, ranges);
    this.#usable = withinReach(this.#ranges, this.addressBits);
    this.#space = this.#freeSpace();
  }

  /**
   * Takes a stretch of IOVAs.
   * @param bytes at least 1.
   * @param alignment a power of two: at least the IOMMU's page size; the memory's page size lets the IOMMU use
   * large pages too. Default 4096.
   * @throws VfioError `ERR_VFIO_IOVA_EXHAUSTED` with what is free; VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`.
   */
  allocate(bytes: number, alignment = 4096): bigint {
    checkRequest(bytes, alignment);
    const iova = this.#space.allocate(bigIntOf(bytes), bigIntOf(alignment));
    if (iova === undefined) throw this.#exhaustedError(bytes, alignment);
    this.#taken.add({ start: iova, end: iova + bigIntOf(bytes) });
    return iova;
  }

  /**
   * Takes a certain stretch, so that it is not given to anybody else. Whether it is usable is not looked at.
   * @param bytes at least 1.
   * @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` if a part of it is taken already; `ERR_VFIO_DMA_ALIGNMENT`.
   */
  claim(iova: bigint, bytes: number): void {
    checkRequest(bytes, 1);
    checkIova(iova);
    const end = iova + bigIntOf(bytes);
    const [other] = this.#taken.overlapping(iova, end);
    if (other !== undefined) throw claimedError(iova, bytes, other);
    this.#taken.add({ start: iova, end });
    this.#space.take(iova, bigIntOf(bytes));
  }

  /**
   * Gives a stretch back.
   * @param iova what {@link allocate} returned, or {@link claim} took.
   * @throws VfioRangeError `ERR_VFIO_IOVA_NOT_ALLOCATED` for anything else, such as a second free.
   */
  release(iova: bigint): void {
    checkIova(iova);
    const [taken] = this.#taken.overlapping(iova, iova + 1n);
    if (taken?.start !== iova) {
      throw new VfioRangeError(
        "ERR_VFIO_IOVA_NOT_ALLOCATED",
        `IOVA ${formatAddress(iova)} is not allocated here`,
      );
    }
    this.#taken.replace(taken);
    this.#giveBack(taken.start, taken.end);
  }

  /** @internal For the mapper: somebody else has a mapping within these, so they are not given out for now. */
  avoid(start: bigint, bytes: bigint): void {
    this.#avoided = [...this.#avoided, { start, end: start + bytes - 1n }];
    this.#space.take(start, bytes);
  }

  /** @internal For the mapper: what was avoided may be had again. @returns false if there was nothing. */
  forgetAvoided(): boolean {
    if (this.#avoided.length === 0) return false;
    this.#avoided = [];
    this.#space = this.#freeSpace();
    return true;
  }

  /** Only what lies within ranges and reach becomes free again, and they may have changed meanwhile. */
  #giveBack(start: bigint, end: bigint): void {
    withinEach(this.#usable, start, end, (from, bytes) => this.#space.give(from, bytes));
    withinEach(this.reserved, start, end, (from, bytes) => this.#space.take(from, bytes));
  }

  #freeSpace(): RangeAllocator {
    const space = new RangeAllocator();
    for (const { start, end } of this.#usable) space.give(start, end - start + 1n);
    for (const { start, end } of [...this.reserved, ...this.#avoided]) space.take(start, end - start + 1n);
    for (const { start, end } of this.#taken.all) space.take(start, end - start);
    return space;
  }

  #exhaustedError(bytes: number, alignment: number): VfioError {
    const largest = this.free.reduce((most, each) => (each.bytes > most ? each.bytes : most), 0n);
    return new VfioError(
      "ERR_VFIO_IOVA_EXHAUSTED",
      `no IOVA for ${bytes} bytes aligned to ${alignment}: ${this.#space.available} bytes are free, ` +
        `${largest} of them in one piece, within ${this.addressBits} address bits`,
      {
        hint:
          "Unmap something, map smaller pieces, or give the allocator more address bits if the device has them" +
          this.#avoidedHint(),
      },
    );
  }

  #avoidedHint(): string {
    if (this.#avoided.length === 0) return "";
    const bytes = this.#avoided.reduce((sum, { start, end }) => sum + end - start + 1n, 0n);
    return (
      `. ${bytes} bytes are left out, since something else has mappings of this container there: ` +
      "mappers on one container share an IovaAllocator"
    );
  }
}

function checkedRanges(ranges: readonly IovaRange[]): readonly IovaRange[] {
  if (!isList(ranges)) throw noRanges(ranges);
  for (const range of ranges as readonly (IovaRange | undefined)[]) {
    if (isAddress(range?.start) && isAddress(range.end) && range.start <= range.end) continue;
    throw noRanges(range);
  }
  return ranges;
}

function noRanges(value: unknown): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_IOVA",
    `ranges of IOVAs are a list, each with a start and an end of 64 bits, itself included: bigints, not ${shownValue(value)}`,
  );
}

function isAddress(value: unknown): value is bigint {
  return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
}

/** Does something with what of each range lies from `start` up to `end`. */
function withinEach(
  ranges: readonly IovaRange[],
  start: bigint,
  end: bigint,
  use: (start: bigint, bytes: bigint) => void,
): void {
  for (const range of ranges) {
    const from = range.start > start ? range.start : start;
    const to = range.end < end ? range.end + 1n : end;
    if (from < to) use(from, to - from);
  }
}

/** What lies in both of two lists of ranges. */
function commonRanges(one: readonly IovaRange[], other: readonly IovaRange[]): IovaRange[] {
  const common = one.flatMap((a) =>
    other.map((b) => ({
      start: a.start > b.start ? a.start : b.start,
      end: a.end < b.end ? a.end : b.end,
    })),
  );
  return common.filter(({ start, end }) => start <= end);
}

/** @throws VfioRangeError `ERR_VFIO_ADDRESS_BITS`. */
export function checkedBits(bits: number): number {
  if (Number.isInteger(bits) && bits >= 12 && bits <= 64) return bits;
  throw new VfioRangeError(
    "ERR_VFIO_ADDRESS_BITS",
    `a device drives 12 to 64 address bits, not ${shownValue(bits)}`,
  );
}

function withinReach(ranges: readonly IovaRange[], addressBits: number): IovaRange[] {
  const last = (1n << BigInt(addressBits)) - 1n;
  return ranges
    .filter(({ start }) => start <= last)
    .map(({ start, end }) => ({ start, end: end < last ? end : last }));
}

function checkRequest(bytes: number, alignment: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0 && isPowerOfTwo(alignment) && alignment < 2 ** 64) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `${shownValue(bytes)} bytes aligned to ${shownValue(alignment)}: the length must be a whole number above 0, the alignment a power of two`,
  );
}

function claimedError(
  iova: bigint,
  bytes: number,
  { start, end }: { readonly start: bigint; readonly end: bigint },
): VfioRangeError {
  const taken = formatRange(start, Number(end - start));
  return new VfioRangeError(
    "ERR_VFIO_DMA_OVERLAP",
    `IOVA ${formatRange(iova, bytes)} overlaps ${taken}, which is taken`,
  );
}

/** @throws VfioRangeError `ERR_VFIO_IOVA`. */
function checkIova(iova: bigint): void {
  if (isAddress(iova)) return;
  throw new VfioRangeError(
    "ERR_VFIO_IOVA",
    `an IOVA is a bigint from 0n to 2n ** 64n - 1n, not ${shownValue(iova)}`,
  );
}

/** True if two lists hold the same ranges in the same order. */
export function sameRanges(one: readonly IovaRange[], other: readonly IovaRange[]): boolean {
  if (one === other) return true;
  return (
    one.length === other.length &&
    one.every(({ start, end }, at) => other[at]?.start === start && other[at].end === end)
  );
}

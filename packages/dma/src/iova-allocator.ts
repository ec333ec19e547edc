import { VfioError, VfioRangeError, type IovaRange, printAs } from "@vfio/ioctl-native";
import { bigIntOf } from "./halves.js";
import { formatAddress, formatRange } from "./format.js";
import { RangeAllocator, type FreeStretch } from "./range-allocator.js";

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
    printAs(IovaAllocator, (it) => ({ addressBits: it.addressBits, taken: it.#taken.size }));
  }

  /** How many address bits the device drives: nothing beyond them is given out. */
  readonly addressBits: number;
  /** Ranges that are never given out. */
  readonly reserved: readonly IovaRange[];
  readonly #taken = new Map<bigint, bigint>();
  /** What the owner wants; `undefined` for no wish. */
  readonly #wanted: readonly IovaRange[] | undefined;
  /** What was reported last. */
  #reported: readonly IovaRange[] | undefined;
  #ranges: readonly IovaRange[];
  /** The ranges, as far as the device reaches. */
  #usable: readonly IovaRange[];
  #space: RangeAllocator;

  constructor(options: IovaAllocatorOptions = {}) {
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
    this.#taken.set(iova, bigIntOf(bytes));
    return iova;
  }

  /**
   * Takes a certain stretch, so that it is not given to anybody else. Whether it is usable is not looked at.
   * @param bytes at least 1.
   * @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` if a part of it is taken already; `ERR_VFIO_DMA_ALIGNMENT`.
   */
  claim(iova: bigint, bytes: number): void {
    checkRequest(bytes, 1);
    const wanted = BigInt(bytes);
    for (const [start, length] of this.#taken) {
      if (iova < start + length && iova + wanted > start) throw claimedError(iova, bytes, start, length);
    }
    this.#taken.set(iova, wanted);
    this.#space.take(iova, wanted);
  }

  /**
   * Gives a stretch back.
   * @param iova what {@link allocate} returned, or {@link claim} took.
   * @throws VfioRangeError `ERR_VFIO_IOVA_NOT_ALLOCATED` for anything else, such as a second free.
   */
  release(iova: bigint): void {
    const bytes = this.#taken.get(iova);
    if (bytes === undefined) {
      throw new VfioRangeError(
        "ERR_VFIO_IOVA_NOT_ALLOCATED",
        `IOVA ${formatAddress(iova)} is not allocated here`,
      );
    }
    this.#taken.delete(iova);
    this.#space = this.#freeSpaceAfter(iova, bytes);
  }

  /** Only what lies within ranges and reach may become free again, and they may have changed meanwhile. */
  #freeSpaceAfter(iova: bigint, bytes: bigint): RangeAllocator {
    const usable = this.#usable.some(({ start, end }) => iova >= start && iova + bytes - 1n <= end);
    const touchesReserved = this.reserved.some(({ start, end }) => iova <= end && iova + bytes > start);
    if (!usable || touchesReserved) return this.#freeSpace();
    this.#space.give(iova, bytes);
    return this.#space;
  }

  #freeSpace(): RangeAllocator {
    const space = new RangeAllocator();
    for (const { start, end } of this.#usable) space.give(start, end - start + 1n);
    for (const { start, end } of this.reserved) space.take(start, end - start + 1n);
    for (const [start, bytes] of this.#taken) space.take(start, bytes);
    return space;
  }

  #exhaustedError(bytes: number, alignment: number): VfioError {
    const largest = this.free.reduce((most, each) => (each.bytes > most ? each.bytes : most), 0n);
    return new VfioError(
      "ERR_VFIO_IOVA_EXHAUSTED",
      `no IOVA for ${bytes} bytes aligned to ${alignment}: ${this.#space.available} bytes are free, ` +
        `${largest} of them in one piece, within ${this.addressBits} address bits`,
      {
        hint: "Unmap something, map smaller pieces, or give the allocator more address bits if the device has them",
      },
    );
  }
}

function checkedRanges(ranges: readonly IovaRange[]): readonly IovaRange[] {
  for (const { start, end } of ranges) {
    if (isAddress(start) && isAddress(end) && start <= end) continue;
    throw new VfioRangeError(
      "ERR_VFIO_IOVA",
      `a range of IOVAs has a start and an end of 64 bits, itself included, not ${String(start)} to ${String(end)}`,
    );
  }
  return ranges;
}

function isAddress(value: unknown): boolean {
  return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
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
  throw new VfioRangeError("ERR_VFIO_ADDRESS_BITS", `a device drives 12 to 64 address bits, not ${bits}`);
}

function withinReach(ranges: readonly IovaRange[], addressBits: number): IovaRange[] {
  const last = (1n << BigInt(addressBits)) - 1n;
  return ranges
    .filter(({ start }) => start <= last)
    .map(({ start, end }) => ({ start, end: end < last ? end : last }));
}

function checkRequest(bytes: number, alignment: number): void {
  const isPowerOfTwo = alignment >= 1 && alignment < 2 ** 64 && Number.isInteger(Math.log2(alignment));
  if (Number.isSafeInteger(bytes) && bytes > 0 && isPowerOfTwo) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `${bytes} bytes aligned to ${alignment}: the length must be a whole number above 0, the alignment a power of two`,
  );
}

function claimedError(iova: bigint, bytes: number, start: bigint, length: bigint): VfioRangeError {
  const wanted = formatRange(iova, bytes);
  return new VfioRangeError(
    "ERR_VFIO_DMA_OVERLAP",
    `IOVA ${wanted} overlaps ${formatRange(start, Number(length))}, which is taken`,
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

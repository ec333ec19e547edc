import { VfioError, VfioRangeError, type IovaRange } from "@vfio/ioctl-native";
import {
  bigIntOf,
  bytesOf,
  common,
  formatAddress,
  printAs,
  RangeList,
  rangeOf,
  RangeSet,
  sameRanges,
  shownValue,
} from "@vfio/ioctl-native/internal";
import { checkAligned, checkFree, checkIova, checkObject, isAddress, isList } from "../arguments.js";

/** Options of {@link IovaAllocator}. */
export interface IovaAllocatorOptions {
  /** Where IOVAs may lie, ends included; narrowed to what the IOMMU can map. Default: all that it can map. */
  readonly ranges?: readonly IovaRange[];
  /**
   * The number of address bits the device drives: 28 for a device that reaches 256 MiB. Default: as many as the IOMMU.
   */
  readonly addressBits?: number;
  /** Windows to leave free, ends included: for another process's mappings, say. */
  readonly reserved?: readonly IovaRange[];
  /** Whether to give out the first 4 KiB too, with address 0, which many devices take for none. Default false. */
  readonly firstPage?: boolean;
}

const FIRST_PAGE: IovaRange = { start: 0n, end: 0xfffn };

/** A range without IOVAs in use. */
export interface FreeRange extends IovaRange {
  readonly bytes: bigint;
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

  /** The number of address bits the device drives: nothing beyond them is given out. */
  readonly addressBits: number;
  /** Never given out. */
  readonly reserved: readonly IovaRange[];
  readonly #leftFree: readonly IovaRange[];
  readonly #taken = new RangeList();
  /** Where other programs' mappings were seen, ends included. */
  #avoided: readonly IovaRange[] = [];
  /** The owner's choice; `undefined` for none. */
  readonly #wanted: readonly IovaRange[] | undefined;
  #reported: readonly IovaRange[] | undefined;
  #ranges: readonly IovaRange[];
  #usable: readonly IovaRange[];
  #space: RangeSet;

  /** @throws VfioRangeError `ERR_VFIO_ADDRESS_BITS`, `ERR_VFIO_IOVA` for ranges that are none, `ERR_VFIO_DMA_ARGUMENT`. */
  constructor(options: IovaAllocatorOptions = {}) {
    checkObject(options, "options of an IovaAllocator");
    this.addressBits = checkedBits(options.addressBits ?? 64);
    this.reserved = checkedRanges(options.reserved ?? []);
    this.#leftFree = options.firstPage === true ? this.reserved : [FIRST_PAGE, ...this.reserved];
    this.#wanted = options.ranges && checkedRanges(options.ranges);
    this.#ranges = this.#wanted ?? [];
    this.#usable = withinReach(this.#ranges, this.addressBits);
    this.#space = this.#freeSpace();
  }

  /** The ranges that IOVAs come from, ends included, before reach and reservations are taken off. */
  get ranges(): readonly IovaRange[] {
    return this.#ranges;
  }

  /** In ascending order. */
  get free(): readonly FreeRange[] {
    return this.#space.all.map(({ start, end }) => ({ start, end, bytes: bytesOf({ start, end }) }));
  }

  /**
   * Follows what the IOMMU reports, which changes as groups come and go. An allocator made with ranges keeps to those
   * of them that the IOMMU can map. What is taken stays taken.
   */
  useRanges(ranges: readonly IovaRange[]): void {
    if (ranges === this.#reported) return;
    checkedRanges(ranges);
    if (this.#reported !== undefined && sameRanges(ranges, this.#reported)) return;
    this.#reported = ranges;
    this.#ranges = this.#wanted?.flatMap((each) => common(ranges, each)) ?? ranges;
    this.#usable = withinReach(this.#ranges, this.addressBits);
    this.#space = this.#freeSpace();
  }

  /**
   * Takes a range of IOVAs.
   * @param bytes at least 1.
   * @param alignment a power of two: at least the IOMMU's page size; the memory's page size lets the IOMMU use
   * large pages too. Default 4096.
   * @throws VfioError `ERR_VFIO_IOVA_EXHAUSTED` with what is free; VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`.
   */
  allocate(bytes: number, alignment = 4096): bigint {
    checkAligned(bytes, alignment);
    const range = this.#space.take(bigIntOf(bytes), bigIntOf(alignment));
    if (range === undefined) throw this.#exhaustedError(bytes, alignment);
    this.#taken.add(range);
    return range.start;
  }

  /**
   * Takes a certain range, so that nobody else gets it. Does not check whether it is usable.
   * @param bytes at least 1.
   * @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` if part of it is taken already; `ERR_VFIO_DMA_ALIGNMENT`.
   */
  claim(iova: bigint, bytes: number): void {
    checkAligned(bytes, 1);
    checkIova(iova);
    const range = rangeOf({ iova, bytes });
    checkFree(this.#taken, range, "which is taken");
    this.#taken.add(range);
    this.#space.cut(range);
  }

  /**
   * Gives a range back.
   * @param iova what {@link allocate} returned, or {@link claim} took.
   * @throws VfioRangeError `ERR_VFIO_IOVA_NOT_ALLOCATED` for anything else, such as a second free.
   */
  release(iova: bigint): void {
    checkIova(iova);
    const taken = this.#taken.at(iova);
    if (taken?.start !== iova) {
      throw new VfioRangeError(
        "ERR_VFIO_IOVA_NOT_ALLOCATED",
        `IOVA ${formatAddress(iova)} is not allocated here`,
      );
    }
    this.#taken.replace(taken);
    this.#giveBack(taken);
  }

  /** @internal Another program has a mapping in this range: not given out for now. */
  avoid(start: bigint, bytes: bigint): void {
    const range = { start, end: start + bytes - 1n };
    this.#avoided = [...this.#avoided, range];
    this.#space.cut(range);
  }

  /** @internal Gives out the avoided ranges again. @returns false if there were none. */
  forgetAvoided(): boolean {
    if (this.#avoided.length === 0) return false;
    this.#avoided = [];
    this.#space = this.#freeSpace();
    return true;
  }

  /** Only what lies within ranges and reach becomes free again: both may have changed since it was taken. */
  #giveBack(range: IovaRange): void {
    for (const each of common(this.#usable, range)) this.#space.join(each);
    for (const each of common(this.#leftFree, range)) this.#space.cut(each);
  }

  #freeSpace(): RangeSet {
    const space = new RangeSet();
    for (const each of this.#usable) space.join(each);
    for (const each of [...this.#leftFree, ...this.#avoided, ...this.#taken.all]) space.cut(each);
    return space;
  }

  #exhaustedError(bytes: number, alignment: number): VfioError {
    const largest = this.free.reduce((most, each) => (each.bytes > most ? each.bytes : most), 0n);
    return new VfioError(
      "ERR_VFIO_IOVA_EXHAUSTED",
      `no IOVA for ${bytes} bytes aligned to ${alignment}: ${this.#space.bytes} bytes are free, ` +
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
    const bytes = this.#avoided.reduce((sum, range) => sum + bytesOf(range), 0n);
    return (
      `. ${bytes} bytes are left out, because others have mappings of this container there: ` +
      "let mappers on one container share an IovaAllocator"
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
    `ranges of IOVAs must be a list of { start, end }, bigints of 64 bits, the end included; not ${shownValue(value)}`,
  );
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
  return common(ranges, { start: 0n, end: (1n << BigInt(addressBits)) - 1n });
}

import { isVfioError, VfioRangeError, type IovaRange } from "@vfio/ioctl-native";
import { formatRange, shownValue, type RangeSet } from "@vfio/ioctl-native/internal";

/** @param expected what should have been passed, with its article. */
export function argumentError(value: unknown, expected: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_DMA_ARGUMENT", `${expected} expected, not ${shownValue(value)}`);
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT`. */
export function checkObject(value: unknown, expected: string): asserts value is object {
  if (typeof value !== "object" || value === null) throw argumentError(value, expected);
}

/** Names a bigint or symbol among the numbers, once arithmetic on them has failed: no check costs anything before. */
export function numberError(numbers: readonly unknown[], failure: unknown): unknown {
  if (isVfioError(failure)) return failure;
  const wrong = numbers.findIndex((each) => typeof each !== "number");
  return wrong < 0 ? failure : argumentError(numbers[wrong], "a number, not a bigint,");
}

/** Unlike `Array.isArray`, does not make the elements `any`. */
export function isList(value: unknown): boolean {
  return Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export function isPowerOfTwo(value: unknown): value is number {
  return typeof value === "number" && value >= 1 && Number.isInteger(Math.log2(value));
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`. */
export function checkAligned(bytes: unknown, align: unknown, most = 2 ** 63): void {
  if (isCount(bytes) && isPowerOfTwo(align) && align <= most) return;
  const limit = most === 2 ** 63 ? "" : ` up to the page size (${most})`;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `${shownValue(bytes)} bytes aligned to ${shownValue(align)}: the length must be a whole number above 0, ` +
      `the alignment a power of two${limit}`,
  );
}

/** @throws VfioRangeError `ERR_VFIO_IOVA`. */
export function checkIova(iova: unknown): void {
  if (isAddress(iova)) return;
  throw new VfioRangeError(
    "ERR_VFIO_IOVA",
    `an IOVA is a bigint from 0n to 2n ** 64n - 1n, not ${shownValue(iova)}`,
  );
}

/**
 * @param why the other range is in the way: the end of the message.
 * @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` naming the range that is in the way.
 */
export function checkFree(taken: Pick<RangeSet, "firstIn">, range: IovaRange, why: string): void {
  const other = taken.firstIn(range);
  if (other === undefined) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_OVERLAP",
    `IOVA ${formatRange(range)} overlaps ${formatRange(other)}, ${why}`,
  );
}

export function isAddress(value: unknown): value is bigint {
  return typeof value === "bigint" && BigInt.asUintN(64, value) === value;
}

import { bigIntOf } from "./words64.js";

/** A range of I/O virtual addresses. The kernel's ranges are inclusive: `end` is the last usable address. */
export interface IovaRange {
  readonly start: bigint;
  /** The last address, itself in the range. */
  readonly end: bigint;
}

export function rangeOf({ iova, bytes }: { readonly iova: bigint; readonly bytes: number }): IovaRange {
  return { start: iova, end: iova + bigIntOf(bytes) - 1n };
}

export function bytesOf({ start, end }: IovaRange): bigint {
  return end - start + 1n;
}

export function overlaps(one: IovaRange, other: IovaRange): boolean {
  return one.start <= other.end && other.start <= one.end;
}

export function isWithin(inner: IovaRange, outer: IovaRange): boolean {
  return inner.start >= outer.start && inner.end <= outer.end;
}

/** The overlap of each range with another. */
export function common(ranges: readonly IovaRange[], other: IovaRange): IovaRange[] {
  const found: IovaRange[] = [];
  for (const { start, end } of ranges) {
    if (start > other.end || end < other.start) continue;
    found.push({
      start: start > other.start ? start : other.start,
      end: end < other.end ? end : other.end,
    });
  }
  return found;
}

export function without(range: IovaRange, hole: IovaRange): IovaRange[] {
  const left: IovaRange[] = [];
  if (range.start < hole.start) left.push({ start: range.start, end: hole.start - 1n });
  if (range.end > hole.end) left.push({ start: hole.end + 1n, end: range.end });
  return left;
}

export function sameRanges(one: readonly IovaRange[], other: readonly IovaRange[]): boolean {
  if (one === other) return true;
  return (
    one.length === other.length &&
    one.every(({ start, end }, at) => other[at]?.start === start && other[at].end === end)
  );
}

export function formatAddress(address: bigint): string {
  return `0x${address.toString(16)}`;
}

/** `[0x1000, 0x1fff]`. */
export function formatRange({ start, end }: IovaRange): string {
  return `[${formatAddress(start)}, ${formatAddress(end)}]`;
}

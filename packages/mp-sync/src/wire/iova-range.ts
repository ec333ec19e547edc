/** A stretch of IOVAs. */
export interface IovaStretch {
  /** Its first address. */
  readonly iova: bigint;
  /** Its length, at least 1. */
  readonly bytes: number;
}

/** Its last address. */
export function lastOf({ iova, bytes }: IovaStretch): bigint {
  return iova + BigInt(bytes) - 1n;
}

/** True if two have an address in common. */
export function overlaps(one: IovaStretch, other: IovaStretch): boolean {
  return one.iova <= lastOf(other) && other.iova <= lastOf(one);
}

/** "IOVA 0x1000 to 0x1fff". */
export function rangeText(range: IovaStretch): string {
  return `IOVA 0x${range.iova.toString(16)} to 0x${lastOf(range).toString(16)}`;
}

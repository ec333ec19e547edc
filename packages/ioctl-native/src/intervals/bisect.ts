/**
 * The index of the first of `count` ascending numbers that is not below `wanted`; `count` if all are. Doubles keep the
 * order of addresses, but neighbours may become equal: the caller compares exactly from there on.
 */
export function firstFrom(ascending: Float64Array, count: number, wanted: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The longest native call: V8 can stop a thread (a worker's `terminate()`, `process.exit()`, a timeout of node:vm) only
 * between two calls.
 */
export const SLICE_MICROSECONDS = 2000;

/** Nearly 13 days: as good as no limit. */
export const LONGEST_MICROSECONDS = 2 ** 40;

/** Looks repeatedly, at most a slice each time, until `isOver` or the time is up. @returns what the last look found. */
export function inSlices<T>(
  microseconds: number,
  look: (microseconds: number) => T,
  isOver: (found: T) => boolean,
): T {
  const end = performance.now() + microseconds / 1000;
  for (let left = microseconds; ;) {
    const found = look(Math.min(left, SLICE_MICROSECONDS));
    left = Math.ceil((end - performance.now()) * 1000);
    if (left <= 0 || isOver(found)) return found;
  }
}

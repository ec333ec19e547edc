import { describe, expect, it } from "vitest";
import { RangeList } from "../src/internal.js";

const MANY = 60_000;
/** All indexes, each once, so that neighbours lie far from each other. */
const inNoOrder = Array.from({ length: MANY }, (_, index) => (index * 7919) % MANY);

describe("given ranges that are counted when they are looked at", () => {
  it("what is done with one of 60,000 looks at hardly more than with one of 600", () => {
    let looks = 0;
    const range = (start: bigint) => ({
      get start() {
        return (looks++, start);
      },
      get end() {
        return (looks++, start);
      },
    });
    const looksPerRange = (count: number): number => {
      const ranges = new RangeList();
      const all = inNoOrder.filter((index) => index < count).map((index) => range(BigInt(index)));
      looks = 0;
      for (const each of all) ranges.add(each);
      for (const each of all) ranges.overlapping(each);
      for (const each of all) ranges.replace(each);
      expect(ranges.all).toEqual([]);
      return looks / count;
    };

    // A bisection of a hundred times as many takes seven steps more.
    expect(looksPerRange(MANY)).toBeLessThan(looksPerRange(600) * 2);
  });
});

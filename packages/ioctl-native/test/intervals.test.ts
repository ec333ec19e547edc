import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bigIntOf, extentsOfPages, joinAdjacent, rangeOf, RangeList, RangeSet } from "../src/internal.js";

const SPACE = 64;

/** The slowest possible allocator: one flag for each unit of space. */
class NaiveModel {
  readonly free = new Array<boolean>(SPACE).fill(false);

  allocate(bytes: number, alignment: number): number | undefined {
    for (let start = 0; start + bytes <= SPACE; start += alignment) {
      if (this.free.slice(start, start + bytes).every(Boolean)) {
        this.free.fill(false, start, start + bytes);
        return start;
      }
    }
    return undefined;
  }
}

type Step =
  | { readonly kind: "allocate"; readonly bytes: number; readonly alignment: number }
  | { readonly kind: "release"; readonly which: number }
  | { readonly kind: "join" | "cut"; readonly start: number; readonly bytes: number };

const range = { start: fc.nat(SPACE - 1), bytes: fc.integer({ min: 1, max: 16 }) };
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("allocate" as const),
      bytes: fc.integer({ min: 1, max: 12 }),
      alignment: fc.constantFrom(1, 2, 4, 8),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("join" as const, "cut" as const), ...range }) },
);

describe("given thousands of random operations", () => {
  it("the set does what a naive model does: lowest place first, no overlap, neighbours joined, nothing lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const set = new RangeSet();
        const model = new NaiveModel();
        const taken: [number, number][] = [];
        set.join({ start: 0n, end: BigInt(SPACE - 1) });
        model.free.fill(true);

        for (const each of steps) {
          if (each.kind === "allocate") {
            const start = set.take(BigInt(each.bytes), BigInt(each.alignment))?.start;
            expect(start).toBe(asBigint(model.allocate(each.bytes, each.alignment)));
            if (start !== undefined) taken.push([Number(start), each.bytes]);
          } else if (each.kind === "release") {
            const [start, bytes] = taken.splice(each.which, 1)[0] ?? [0, 0];
            if (bytes > 0) set.join(rangeOf({ iova: BigInt(start), bytes }));
            model.free.fill(true, start, start + bytes);
          } else {
            const bytes = Math.min(each.bytes, SPACE - each.start);
            const range = rangeOf({ iova: BigInt(each.start), bytes });
            if (each.kind === "join") set.join(range);
            else set.cut(range);
            model.free.fill(each.kind === "join", each.start, each.start + bytes);
          }
          expect(flagsOf(set)).toEqual(model.free);
          expectJoined(set);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("when everything is given back, the space is one piece again", () => {
    const request = fc.record({
      bytes: fc.integer({ min: 1, max: 1 << 30 }),
      alignment: fc.constantFrom(1, 4096, 1 << 21),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 80 }), (requests) => {
        const set = new RangeSet();
        set.join({ start: 0x1000n, end: 0xfffn + (1n << 48n) });
        const taken = requests.flatMap(({ bytes, alignment }) => {
          return set.take(BigInt(bytes), BigInt(alignment)) ?? [];
        });

        for (const range of taken.reverse()) set.join(range);

        expect(set.all).toEqual([{ start: 0x1000n, end: 0xfffn + (1n << 48n) }]);
      }),
    );
  });
});

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

it("given any number, bigIntOf is BigInt, and refuses what BigInt refuses", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => bigIntOf(value) === BigInt(value)));
  for (let bits = 0; bits < 66; bits++) expect(bigIntOf(2 ** bits)).toBe(1n << BigInt(bits));
  expect(bigIntOf(-4096)).toBe(-4096n);
  for (const value of [0.5, -0.5, NaN, Infinity]) expect(() => bigIntOf(value)).toThrow(RangeError);
});

function asBigint(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

function flagsOf(set: RangeSet): boolean[] {
  const flags = new Array<boolean>(SPACE).fill(false);
  for (const { start, end } of set.all) flags.fill(true, Number(start), Number(end + 1n));
  return flags;
}

function expectJoined({ all }: RangeSet): void {
  all.slice(1).forEach(({ start }, index) => {
    expect(start).toBeGreaterThan(all[index]!.end + 1n);
  });
}

describe("given the addresses of a memory's pages", () => {
  const PAGES = [0x1000n, 0x2000n, 0x9000n, 0xa000n, 0xb000n, 0x3000n];
  const EXTENTS = [
    { offset: 0, iova: 0x1000n, bytes: 0x2000 },
    { offset: 0x2000, iova: 0x9000n, bytes: 0x3000 },
    { offset: 0x5000, iova: 0x3000n, bytes: 0x1000 },
  ];

  it("adjacent pages are one extent, and no others", () => {
    expect(extentsOfPages(PAGES, 0x1000)).toEqual(EXTENTS);
    expect(extentsOfPages([], 0x1000)).toEqual([]);
  });

  it("extents that follow each other in memory and in addresses are joined, and no others", () => {
    const pages = PAGES.map((iova, index) => ({ offset: index * 0x1000, iova, bytes: 0x1000 }));

    expect(joinAdjacent(pages)).toEqual(EXTENTS);
    const apart = pages.map((page, index) => ({ ...page, offset: index * 0x2000 }));
    expect(joinAdjacent(apart)).toEqual(apart);
  });
});

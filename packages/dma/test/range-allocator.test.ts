import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RangeAllocator } from "../src/iova/range-allocator.js";

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
  | { readonly kind: "give" | "take"; readonly start: number; readonly bytes: number };

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
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("give" as const, "take" as const), ...range }) },
);

describe("given thousands of random operations", () => {
  it("the allocator does what a naive model does: lowest place first, no overlap, neighbours joined, nothing lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const allocator = new RangeAllocator();
        const model = new NaiveModel();
        const taken: [number, number][] = [];
        allocator.give(0n, BigInt(SPACE));
        model.free.fill(true);

        for (const each of steps) {
          if (each.kind === "allocate") {
            const start = allocator.allocate(BigInt(each.bytes), BigInt(each.alignment));
            expect(start).toBe(asBigint(model.allocate(each.bytes, each.alignment)));
            if (start !== undefined) taken.push([Number(start), each.bytes]);
          } else if (each.kind === "release") {
            const [start, bytes] = taken.splice(each.which, 1)[0] ?? [0, 0];
            if (bytes > 0) allocator.give(BigInt(start), BigInt(bytes));
            model.free.fill(true, start, start + bytes);
          } else {
            const bytes = Math.min(each.bytes, SPACE - each.start);
            if (each.kind === "give") allocator.give(BigInt(each.start), BigInt(bytes));
            else allocator.take(BigInt(each.start), BigInt(bytes));
            model.free.fill(each.kind === "give", each.start, each.start + bytes);
          }
          expect(flagsOf(allocator)).toEqual(model.free);
          expectJoined(allocator);
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
        const allocator = new RangeAllocator();
        allocator.give(0x1000n, 1n << 48n);
        const taken = requests.flatMap(({ bytes, alignment }) => {
          const start = allocator.allocate(BigInt(bytes), BigInt(alignment));
          return start === undefined ? [] : [[start, BigInt(bytes)] as const];
        });

        for (const [start, bytes] of taken.reverse()) allocator.give(start, bytes);

        expect(allocator.free).toEqual([{ start: 0x1000n, bytes: 1n << 48n }]);
      }),
    );
  });
});

function asBigint(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

function flagsOf(allocator: RangeAllocator): boolean[] {
  const flags = new Array<boolean>(SPACE).fill(false);
  for (const { start, bytes } of allocator.free) flags.fill(true, Number(start), Number(start + bytes));
  return flags;
}

function expectJoined({ free }: RangeAllocator): void {
  free.slice(1).forEach(({ start }, index) => {
    const before = free[index]!;
    expect(start).toBeGreaterThan(before.start + before.bytes);
  });
}

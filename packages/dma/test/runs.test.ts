import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contiguousRuns } from "../src/index.js";

const PAGE = 4096;

describe("given the physical addresses of a memory's pages", () => {
  it("pages that follow each other become one run, a hole starts the next", () => {
    const runs = contiguousRuns([0x1000n, 0x2000n, 0x8000n, 0x3000n], PAGE);

    expect(runs).toEqual([
      { offset: 0, address: 0x1000n, bytes: 2 * PAGE },
      { offset: 2 * PAGE, address: 0x8000n, bytes: PAGE },
      { offset: 3 * PAGE, address: 0x3000n, bytes: PAGE },
    ]);
  });

  it("no pages make no runs, and address 0 is an address", () => {
    expect(contiguousRuns([], PAGE)).toEqual([]);
    expect(contiguousRuns([0n], PAGE)).toEqual([{ offset: 0, address: 0n, bytes: PAGE }]);
  });

  it("whatever the addresses: the runs give every page its address, and no two of them could be one", () => {
    const page = fc.oneof(
      { weight: 3, arbitrary: fc.constant("the next" as const) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 20 }) },
    );
    const seen = { joined: 0, apart: 0 };
    fc.assert(
      fc.property(fc.array(page, { maxLength: 40 }), (pages) => {
        const addresses = addressesOf(pages);
        const runs = contiguousRuns(addresses, PAGE);
        if (runs.some(({ bytes }) => bytes > PAGE)) seen.joined++;
        if (runs.length > 1) seen.apart++;

        const expanded = runs.flatMap(({ offset, address, bytes }) =>
          Array.from({ length: bytes / PAGE }, (_, page) => [
            offset + page * PAGE,
            address + BigInt(page * PAGE),
          ]),
        );
        expect(expanded).toEqual(addresses.map((address, index) => [index * PAGE, address]));
        runs.slice(1).forEach((run, index) => {
          const former = runs[index]!;
          expect(run.address).not.toBe(former.address + BigInt(former.bytes));
        });
      }),
      { numRuns: 500 },
    );
    expect(seen.joined).toBeGreaterThan(250);
    expect(seen.apart).toBeGreaterThan(250);
  });
});

/** Numbers of pages as addresses, "the next" being the one behind the one before. */
function addressesOf(pages: readonly (number | "the next")[]): bigint[] {
  let number = 0;
  return pages.map((page) => {
    number = page === "the next" ? number + 1 : page;
    return BigInt(number * PAGE);
  });
}

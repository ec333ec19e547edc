import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contiguousExtents } from "../src/index.js";

const PAGE = 4096;

describe("given the physical addresses of a memory's pages", () => {
  it("pages that follow each other become one extent, a hole starts the next", () => {
    const extents = contiguousExtents([0x1000n, 0x2000n, 0x8000n, 0x3000n], PAGE);

    expect(extents).toEqual([
      { offset: 0, iova: 0x1000n, bytes: 2 * PAGE },
      { offset: 2 * PAGE, iova: 0x8000n, bytes: PAGE },
      { offset: 3 * PAGE, iova: 0x3000n, bytes: PAGE },
    ]);
  });

  it("no pages make no extents, and address 0 is an address", () => {
    expect(contiguousExtents([], PAGE)).toEqual([]);
    expect(contiguousExtents([0n], PAGE)).toEqual([{ offset: 0, iova: 0n, bytes: PAGE }]);
  });

  it("whatever the addresses: the extents give every page its address, and no two of them could be one", () => {
    const page = fc.oneof(
      { weight: 3, arbitrary: fc.constant("the next" as const) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 20 }) },
    );
    const seen = { joined: 0, apart: 0 };
    fc.assert(
      fc.property(fc.array(page, { maxLength: 40 }), (pages) => {
        const addresses = addressesOf(pages);
        const extents = contiguousExtents(addresses, PAGE);
        if (extents.some(({ bytes }) => bytes > PAGE)) seen.joined++;
        if (extents.length > 1) seen.apart++;

        const expanded = extents.flatMap(({ offset, iova, bytes }) =>
          Array.from({ length: bytes / PAGE }, (_, page) => [
            offset + page * PAGE,
            iova + BigInt(page * PAGE),
          ]),
        );
        expect(expanded).toEqual(addresses.map((address, index) => [index * PAGE, address]));
        extents.slice(1).forEach((extent, index) => {
          const former = extents[index]!;
          expect(extent.iova).not.toBe(former.iova + BigInt(former.bytes));
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

import fc from "fast-check";
import type { Extent } from "../src/index.js";

export const PAGE = 4096;
const SLOT = 1n << 20n;
const AT_4_GIB = (1n << 32n) / SLOT;

const slot = fc.oneof(
  fc.bigInt({ min: 1n, max: 1n << 43n }),
  fc.bigInt({ min: 1n, max: 1n << 31n }).map((border) => border * AT_4_GIB),
);
const holeBefore = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 3 }).map((pages) => pages * PAGE) },
  { weight: 1, arbitrary: fc.constant(2 ** 41) },
);
const shape = fc.record({
  slot,
  holeBefore,
  /** It starts where the one before ends, for the device too. */
  follows: fc.boolean(),
  pages: fc.integer({ min: 1, max: 4 }),
});

/**
 * Segments as an IOMMU could map them: in the memory's order, none in another's place. Many follow each other for the
 * device, many cross 4 GiB, and some memories are too large for a table of their pages.
 */
export const anySegments: fc.Arbitrary<Extent[]> = fc
  .uniqueArray(shape, { minLength: 1, maxLength: 8, selector: (each) => each.slot })
  .map((shapes) => {
    const segments: Extent[] = [];
    for (const { slot: number, holeBefore: hole, follows, pages } of shapes) {
      const former = segments.at(-1);
      const end = former === undefined ? 0 : former.offset + former.bytes;
      // A slot has place for all of them together, so that those that follow one end before the next slot.
      const fresh = { offset: end + hole, iova: number * SLOT - BigInt(2 * PAGE), bytes: pages * PAGE };
      if (former === undefined || !follows) segments.push(fresh);
      else segments.push({ ...fresh, offset: end, iova: former.iova + BigInt(former.bytes) });
    }
    return segments;
  });

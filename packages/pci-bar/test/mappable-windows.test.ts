import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mappableWindows } from "../src/regions/mappable-windows.js";
import type { MappableArea } from "../src/index.js";

const PAGE = 4096;
const PAGES = 16;
const page = fc.nat({ max: PAGES });
const area = fc
  .tuple(page, page)
  .map(([a, b]) => ({ offset: Math.min(a, b) * PAGE, bytes: Math.abs(a - b) * PAGE }));
/** Areas that do not overlap, as the kernel gives them: every second stretch between some pages. */
const areas = fc.uniqueArray(page, { maxLength: 8 }).map((edges) => {
  const sorted = edges.sort((a, b) => a - b);
  return sorted.flatMap((edge, index) => {
    const end = sorted[index + 1];
    return index % 2 === 1 || end === undefined ? [] : [{ offset: edge * PAGE, bytes: (end - edge) * PAGE }];
  });
});
const table = fc.tuple(fc.nat({ max: PAGES * PAGE }), fc.integer({ min: 1, max: 3 * PAGE }));

function covers(windows: readonly MappableArea[], byte: number): boolean {
  return windows.some(({ offset, bytes }) => byte >= offset && byte < offset + bytes);
}

describe("given a region of which the kernel offers some areas, and a table to keep out of", () => {
  it("a page is in a window exactly if it is offered and holds nothing of the table", () => {
    fc.assert(
      fc.property(fc.option(areas, { nil: undefined }), table, (sparseAreas, [offset, bytes]) => {
        const keepOut = { offset, bytes };
        const windows = mappableWindows({ bytes: PAGES * PAGE, mappable: true, sparseAreas }, keepOut);
        for (let at = 0; at < PAGES * PAGE; at += PAGE) {
          const holdsTable = at < offset + bytes && at + PAGE > offset;
          const isOffered = sparseAreas === undefined || covers(sparseAreas, at);
          expect([at, covers(windows, at)]).toEqual([at, isOffered && !holdsTable]);
        }
      }),
    );
  });

  it("windows are whole pages within the region, in order, apart from each other, and none is empty", () => {
    fc.assert(
      fc.property(areas, area, (sparseAreas, keepOut) => {
        let end = 0;
        for (const window of mappableWindows({ bytes: PAGES * PAGE, mappable: true, sparseAreas }, keepOut)) {
          expect(window.offset).toBeGreaterThanOrEqual(end);
          expect([window.offset % PAGE, window.bytes % PAGE]).toEqual([0, 0]);
          expect(window.bytes).toBeGreaterThan(0);
          end = window.offset + window.bytes;
        }
        expect(end).toBeLessThanOrEqual(PAGES * PAGE);
      }),
    );
  });
});

describe("given a region that is no whole pages, or whose areas are none", () => {
  it("its own end may lie within a page; an area's must not", () => {
    expect(mappableWindows({ bytes: 0x1800, mappable: true, sparseAreas: undefined })).toEqual([
      { offset: 0, bytes: 0x1800 },
    ]);
    expect(
      mappableWindows({ bytes: 0x4000, mappable: true, sparseAreas: [{ offset: 0x800, bytes: 0x2000 }] }),
    ).toEqual([{ offset: 0x1000, bytes: 0x1000 }]);
  });

  it("areas beyond its end are cut off, and what the kernel does not offer at all has no window", () => {
    const sparseAreas = [
      { offset: 0x1000, bytes: 0x9000 },
      { offset: 0x8000, bytes: 0x1000 },
    ];
    expect(mappableWindows({ bytes: 0x3000, mappable: true, sparseAreas })).toEqual([
      { offset: 0x1000, bytes: 0x2000 },
    ]);
    expect(mappableWindows({ bytes: 0x3000, mappable: false, sparseAreas: undefined })).toEqual([]);
  });
});

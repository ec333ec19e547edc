import { errorOf } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeMemoryDescription,
  encodeMemoryDescription,
  IovaTable,
  type DmaSegment,
} from "../src/index.js";

const TABLE = new IovaTable([
  { offset: 0, iova: 0x10_0000n, bytes: 8192 },
  { offset: 8192, iova: 0x80_0000n, bytes: 4096 },
]);

describe("given memory that is mapped in two segments", () => {
  it("each offset has the IOVA of its own segment", () => {
    expect(TABLE.iovaOf(0)).toBe(0x10_0000n);
    expect(TABLE.iovaOf(8191)).toBe(0x10_1fffn);
    expect(TABLE.iovaOf(8192, 4096)).toBe(0x80_0000n);
  });

  it.each([
    [8191, 2, "a part that crosses from one segment into the next"],
    [12288, 1, "an offset behind the end"],
    [-1, 1, "an offset before the start"],
    [0, 0, "a part without length"],
    [8192, 4097, "a part that is longer than its segment"],
  ])("offset %i, %i bytes: %s is refused, and the segments are named", (offset, bytes) => {
    const error = errorOf(() => TABLE.iovaOf(offset, bytes));

    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ code: "ERR_VFIO_NOT_MAPPED" });
    expect(error.message).toContain("0x800000");
  });
});

describe("given any segments", () => {
  const PAGE = 4096;
  const pages = fc.array(
    fc.record({
      hole: fc.boolean(),
      iovaPage: fc.bigInt({ min: 0n, max: (1n << 40n) - 1n }),
      pages: fc.integer({ min: 1, max: 4 }),
    }),
    { minLength: 1, maxLength: 8 },
  );

  it("low and high halves, the whole IOVA and the way back agree with plain arithmetic", () => {
    fc.assert(
      fc.property(pages, fc.nat(PAGE - 1), (list, within) => {
        let offset = 0;
        const segments = list.map((each) => {
          if (each.hole) offset += PAGE;
          const segment = { offset, iova: each.iovaPage * BigInt(PAGE), bytes: each.pages * PAGE };
          offset += segment.bytes;
          return segment;
        });
        const table = new IovaTable(segments);

        for (const segment of segments) {
          const place = segment.offset + Math.min(within, segment.bytes - 1);
          const expected = segment.iova + BigInt(place - segment.offset);
          expect(table.iovaOf(place)).toBe(expected);
          expect((BigInt(table.iovaHigh(place)) << 32n) | BigInt(table.iovaLow(place))).toBe(expected);
        }
      }),
    );
  });

  it("segments that follow each other for the device are one piece for it", () => {
    const table = new IovaTable([
      { offset: 0, iova: 0x1000n, bytes: PAGE },
      { offset: PAGE, iova: 0x2000n, bytes: PAGE },
    ]);

    expect(table.iovaOf(100, 2 * PAGE - 100)).toBe(0x1000n + 100n);
    expect(table.offsetOf(0x2abcn)).toBe(0x1abc);
  });

  it("hugepages across a 4 GiB border carry into the upper half", () => {
    const GIB = 1 << 30;
    const table = new IovaTable([{ offset: 0, iova: 0xe000_0000n, bytes: 2 * GIB }]);

    expect(table.iovaOf(0x2000_0001)).toBe(0x1_0000_0001n);
    expect([table.iovaLow(0x2000_0001), table.iovaHigh(0x2000_0001)]).toEqual([1, 1]);
  });

  it("an IOVA that is not mapped, or not for so long, has no offset", () => {
    expect(errorOf(() => TABLE.offsetOf(0x10_2000n))).toMatchObject({ code: "ERR_VFIO_NOT_MAPPED" });
    expect(errorOf(() => TABLE.offsetOf(0x80_0000n, 4097))).toMatchObject({ code: "ERR_VFIO_NOT_MAPPED" });
    expect(TABLE.offsetOf(0x80_0000n, 4096)).toBe(8192);
  });
});

describe("given a description that travels to another process", () => {
  const segment = fc.record({
    offset: fc.nat(255).map((page) => page * 4096),
    iova: fc.bigInt({ min: 0n, max: (1n << 36n) - 1n }).map((page) => page * 4096n),
    bytes: fc.integer({ min: 1, max: 256 }).map((pages) => pages * 4096),
  });

  it("what arrives is what was sent", () => {
    fc.assert(
      fc.property(fc.array(segment), (segments: DmaSegment[]) => {
        const description = { bytes: 1 << 22, pageBytes: 4096, table: new IovaTable(segments) };

        const arrived = decodeMemoryDescription(encodeMemoryDescription(description));

        expect([arrived.bytes, arrived.pageBytes, arrived.table.segments]).toEqual([1 << 22, 4096, segments]);
      }),
    );
  });

  it("whatever bytes arrive, they are a description or an error that says why not", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decodeMemoryDescription(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_VFIO_BAD_MEMORY_DESCRIPTION" });
        }
      }),
    );
  });

  it("a segment outside the memory is refused", () => {
    const table = new IovaTable([{ offset: 4096, iova: 0n, bytes: 4096 }]);
    const encoded = encodeMemoryDescription({ bytes: 4096, pageBytes: 4096, table });

    expect(errorOf(() => decodeMemoryDescription(encoded)).message).toContain(
      "segment 0 lies outside the memory",
    );
  });

  it("sizes that no memory has are refused before anything is made of them", () => {
    const table = new IovaTable([]);
    for (const [bytes, pageBytes] of [
      [4096, 1000],
      [0, 4096],
      [2 ** 50, 4096],
      [4097, 4096],
      [4096, 2 ** 40],
    ] as const) {
      const encoded = encodeMemoryDescription({ bytes, pageBytes, table });
      expect(errorOf(() => decodeMemoryDescription(encoded))).toMatchObject({
        code: "ERR_VFIO_BAD_MEMORY_DESCRIPTION",
      });
    }
  });

  it("another version is refused, with both versions", () => {
    const encoded = encodeMemoryDescription({ bytes: 4096, pageBytes: 4096, table: new IovaTable([]) });
    encoded[0] = 9;

    expect(errorOf(() => decodeMemoryDescription(encoded)).message).toContain("version is 9");
  });
});

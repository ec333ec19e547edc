import { errorOf } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeMemoryDescription,
  encodeMemoryDescription,
  SegmentTable,
  type DmaSegment,
} from "../src/index.js";

const TABLE = new SegmentTable([
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

describe("given a description that travels to another process", () => {
  const segment = fc.record({
    offset: fc.nat(1 << 20),
    iova: fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }),
    bytes: fc.integer({ min: 1, max: 1 << 20 }),
  });

  it("what arrives is what was sent", () => {
    fc.assert(
      fc.property(fc.array(segment), (segments: DmaSegment[]) => {
        const description = { bytes: 1 << 22, pageBytes: 1 << 21, table: new SegmentTable(segments) };

        expect(decodeMemoryDescription(encodeMemoryDescription(description))).toEqual(description);
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
    const table = new SegmentTable([{ offset: 4096, iova: 0n, bytes: 4096 }]);
    const encoded = encodeMemoryDescription({ bytes: 4096, pageBytes: 4096, table });

    expect(errorOf(() => decodeMemoryDescription(encoded)).message).toContain(
      "segment 0 lies outside the memory",
    );
  });

  it("another version is refused, with both versions", () => {
    const encoded = encodeMemoryDescription({ bytes: 4096, pageBytes: 4096, table: new SegmentTable([]) });
    encoded[0] = 9;

    expect(errorOf(() => decodeMemoryDescription(encoded)).message).toContain("version is 9");
  });
});

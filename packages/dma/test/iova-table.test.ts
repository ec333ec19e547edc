import { joinAdjacent } from "@vfio/ioctl-native/internal";
import { errorOf, expectError } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IovaTable } from "../src/index.js";
import { anySegments, PAGE } from "./any-segments.js";

const GIB = 1 << 30;

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
    [1.5, 1, "a fraction"],
    [0, 1.5, "half a byte"],
    [NaN, 1, "no number"],
    [0, NaN, "no number of bytes"],
    [Infinity, 1, "an offset without end"],
  ])("offset %s, %s bytes: %s is refused, and the segments are named", (offset, bytes) => {
    const error = expectError(() => TABLE.iovaOf(offset, bytes), "ERR_VFIO_NOT_MAPPED … 0x800000");

    expect(error).toBeInstanceOf(RangeError);
  });
});

describe("given addresses so high that doubles do not tell them apart", () => {
  it("each leads back to its own offset, also across 4 GiB", () => {
    const first = (1n << 63n) + 0xffff_ff80n;
    const table = new IovaTable(
      [0, 1, 2, 3].map((index) => ({ offset: index * 64, iova: first + BigInt(index * 128), bytes: 64 })),
    );

    for (const offset of [0, 63, 64, 127, 128, 191, 192, 255])
      expect([offset, table.offsetOf(table.iovaOf(offset))]).toEqual([offset, offset]);
    expectError(() => table.offsetOf(first + 64n), "ERR_VFIO_NOT_MAPPED");
  });
});

describe("given memory of more than 4 GiB", () => {
  const table = new IovaTable([
    { offset: 0, iova: 0x10_0000_0000n, bytes: 5 * GIB },
    { offset: 6 * GIB, iova: 0x20_0000_0000n, bytes: 2 * GIB },
  ]);

  it.each([-1, -GIB, -5 * GIB, 5 * GIB, 8 * GIB, 6 * GIB + 0.5])("offset %s has no address", (offset) => {
    for (const look of [
      () => table.iovaOf(offset),
      () => table.iovaLow(offset),
      () => table.iovaHigh(offset),
      () => table.iovaInto(new Uint32Array(2), 0, offset),
    ]) {
      expectError(look, "ERR_VFIO_NOT_MAPPED");
    }
  });

  it("offsets on both sides of 2 and 4 GiB have theirs", () => {
    const offsets = [2 * GIB - 1, 2 * GIB, 4 * GIB - 1, 4 * GIB, 5 * GIB - 1, 6 * GIB, 8 * GIB - 1];

    expect(offsets.map((offset) => table.iovaOf(offset) - BigInt(offset))).toEqual([
      ...Array.from({ length: 5 }, () => 0x10_0000_0000n),
      ...Array.from({ length: 2 }, () => 0x20_0000_0000n - BigInt(6 * GIB)),
    ]);
  });
});

describe("given a descriptor that takes both halves", () => {
  it("they are written beside each other, and nothing else is", () => {
    const descriptor = Uint32Array.of(9, 9, 9, 9);
    new IovaTable([{ offset: 0, iova: 0x7_ffff_f000n, bytes: 2 * PAGE }]).iovaInto(
      descriptor,
      1,
      PAGE + 8,
      64,
    );

    expect([...descriptor]).toEqual([9, 8, 8, 9]);
  });

  it.each([-1, 3, 4, 0.5, NaN])("at word %s of 4 they do not fit: nothing is written", (at) => {
    const descriptor = Uint32Array.of(9, 9, 9, 9);
    expectError(() => TABLE.iovaInto(descriptor, at, 0), `ERR_VFIO_STRUCT_BOUNDS … index ${at} of 4 words`);
    expect([...descriptor]).toEqual([9, 9, 9, 9]);
  });

  it("a part that is not mapped in one piece leaves the descriptor as it was", () => {
    const descriptor = Uint32Array.of(9, 9);

    expectError(() => TABLE.iovaInto(descriptor, 0, 8191, 2), "ERR_VFIO_NOT_MAPPED");
    expect([...descriptor]).toEqual([9, 9]);
  });
});

describe("given any segments", () => {
  it("halves, the whole IOVA and the way back agree with plain arithmetic", () => {
    fc.assert(
      fc.property(anySegments, fc.nat(PAGE - 1), (segments, within) => {
        const table = new IovaTable(segments);
        const halves = new Uint32Array(2);

        for (const segment of segments) {
          const place = segment.offset + segment.bytes - 1 - within;
          const expected = segment.iova + BigInt(place - segment.offset);
          table.iovaInto(halves, 0, place);
          const [low = 0, high = 0] = halves;
          expect(table.iovaOf(place)).toBe(expected);
          expect((BigInt(high) << 32n) | BigInt(low)).toBe(expected);
          expect([table.iovaLow(place), table.iovaHigh(place)]).toEqual([low, high]);
          expect([table.offsetOf(expected), table.offsetOfHalves(low, high)]).toEqual([place, place]);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("a part may reach to the end of its stretch and not a byte further, in both directions", () => {
    fc.assert(
      fc.property(anySegments, fc.nat(PAGE - 1), (segments, within) => {
        const table = new IovaTable(segments);
        const refused = { code: "ERR_VFIO_NOT_MAPPED" };

        for (const { offset, iova, bytes } of joinAdjacent(segments)) {
          const [place, address] = [offset + within, iova + BigInt(within)];
          expect(table.iovaOf(place, bytes - within)).toBe(address);
          expect(table.offsetOf(address, bytes - within)).toBe(place);
          expect(errorOf(() => table.iovaOf(place, bytes - within + 1))).toMatchObject(refused);
          expect(errorOf(() => table.offsetOf(address, bytes - within + 1))).toMatchObject(refused);
        }
      }),
    );
  });

  it("what lies between the segments has no address", () => {
    fc.assert(
      fc.property(anySegments, (segments) => {
        const table = new IovaTable(segments);
        const ends = new Set(segments.map(({ offset, bytes }) => offset + bytes));
        for (const { offset } of segments) ends.delete(offset);

        for (const end of ends) expectError(() => table.iovaOf(end), "ERR_VFIO_NOT_MAPPED");
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
    const table = new IovaTable([{ offset: 0, iova: 0xe000_0000n, bytes: 2 * GIB }]);

    expect(table.iovaOf(0x2000_0001)).toBe(0x1_0000_0001n);
    expect([table.iovaLow(0x2000_0001), table.iovaHigh(0x2000_0001)]).toEqual([1, 1]);
  });

  it("an IOVA that is not mapped, or not for so long, has no offset", () => {
    expectError(() => TABLE.offsetOf(0x10_2000n), "ERR_VFIO_NOT_MAPPED");
    expectError(() => TABLE.offsetOf(0x80_0000n, 4097), "ERR_VFIO_NOT_MAPPED");
    expect(TABLE.offsetOf(0x80_0000n, 4096)).toBe(8192);
  });

  it.each([
    [-0x10_0000n, 1],
    [0xf_ffffn, 1],
    [(1n << 64n) + 0x10_0000n, 1],
    [0x10_0000n, 0],
    [0x10_0000n, 1.5],
    [0x10_0000n, NaN],
  ])("IOVA %s for %s bytes has no offset either", (iova, bytes) => {
    expectError(() => TABLE.offsetOf(iova, bytes), "ERR_VFIO_NOT_MAPPED … extents are 0+8192 at 0x100000");
  });

  it.each([
    [0x10_0000, 1],
    [-1, 0],
    [0x10_0000 + 0.5, 0],
    [NaN, 0],
    [0x10_0000, -1],
  ])("nor have the halves %s and %s", (low, high) => {
    expectError(
      () => TABLE.offsetOfHalves(low, high),
      `ERR_VFIO_NOT_MAPPED … lower half ${low} and the upper half ${high}`,
    );
  });

  it("without segments there is neither the one nor the other", () => {
    const none = new IovaTable([]);

    for (const look of [() => none.iovaOf(0), () => none.offsetOf(0n)])
      expectError(look, "… the memory's extents are none");
  });
});

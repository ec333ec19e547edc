import { joinAdjacent } from "@vfio/ioctl-native/internal";
import { expectError } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeMemoryDescription,
  encodeMemoryDescription,
  IovaTable,
  type Extent,
  type MemoryDescription,
} from "../src/index.js";
import { anySegments, PAGE } from "./any-segments.js";

const HEADER = 24;
const TWO_MIB = 2 << 20;

function encoded(bytes: number, segments: readonly Extent[], pageBytes = PAGE): Uint8Array {
  return encodeMemoryDescription({ bytes, pageBytes, table: new IovaTable(segments) });
}

function endOf(segments: readonly Extent[]): number {
  return Math.max(...segments.map(({ offset, bytes }) => offset + bytes));
}

/** What encodeMemoryDescription never writes: segments just as they are given. */
function forged(bytes: number, segments: readonly Extent[]): Uint8Array {
  const words = segments.flatMap(({ offset, iova, bytes: length }) => [BigInt(offset), iova, BigInt(length)]);
  const version = 1n | (BigInt(segments.length) << 32n);
  return new Uint8Array(BigUint64Array.from([version, BigInt(bytes), BigInt(PAGE), ...words]).buffer);
}

/** Fails unless every segment lies in the memory, and is found by offset and by IOVA alike. */
function expectConsistent({ bytes, pageBytes, table }: MemoryDescription): void {
  let end = 0;
  for (const segment of table.extents) {
    expect(segment.offset).toBeGreaterThanOrEqual(end);
    expect([segment.offset % pageBytes, segment.bytes % pageBytes, segment.iova % 4096n]).toEqual([0, 0, 0n]);
    end = segment.offset + segment.bytes;
    expect(table.iovaOf(segment.offset, segment.bytes)).toBe(segment.iova);
    expect(table.offsetOf(segment.iova, segment.bytes)).toBe(segment.offset);
    expect(table.iovaOf(end - 1)).toBe(segment.iova + BigInt(segment.bytes) - 1n);
  }
  expect(bytes).toBeGreaterThanOrEqual(end);
}

describe("given a description that travels to another process", () => {
  it("what arrives is what was sent, one segment for each stretch", () => {
    fc.assert(
      fc.property(anySegments, (segments) => {
        const bytes = endOf(segments);

        const arrived = decodeMemoryDescription(encoded(bytes, segments));

        expect([arrived.bytes, arrived.pageBytes]).toEqual([bytes, PAGE]);
        expect(arrived.table.extents).toEqual(joinAdjacent(segments));
        for (const { offset, iova, bytes: length } of segments)
          expect(arrived.table.iovaOf(offset, length)).toBe(iova);
      }),
    );
  });

  it("8 GiB that were mapped in pieces of 2 MiB are one segment", () => {
    const pieces = Array.from({ length: 4096 }, (_, index) => ({
      offset: index * TWO_MIB,
      iova: BigInt(index * TWO_MIB),
      bytes: TWO_MIB,
    }));

    const description = encoded(8 * 2 ** 30, pieces, TWO_MIB);

    expect(description.length).toBe(HEADER + 24);
    expect(decodeMemoryDescription(description).table.iovaOf(8 * 2 ** 30 - 1)).toBe((8n << 30n) - 1n);
  });

  it("one page at the end of the largest memory is as good as any", () => {
    const offset = 2 ** 46 - PAGE;

    const { table } = decodeMemoryDescription(encoded(2 ** 46, [{ offset, iova: 0x1000n, bytes: PAGE }]));

    expect([table.iovaOf(offset + 1), table.offsetOf(0x1001n)]).toEqual([0x1001n, offset + 1]);
    expectError(() => table.iovaOf(offset - 1), "ERR_VFIO_NOT_MAPPED");
  });

  it("the largest memory, mapped a page off 2 MiB, is as good as any", () => {
    const { table } = decodeMemoryDescription(
      encoded(2 ** 46, [{ offset: 0, iova: 0x1000n, bytes: 2 ** 46 }]),
    );

    expect([table.iovaOf(2 ** 32), table.iovaOf(2 ** 46 - 1)]).toEqual([
      0x1_0000_1000n,
      (1n << 46n) + 0xfffn,
    ]);
  });
});

describe("given what a peer sends instead of a description", () => {
  const change = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), bit: fc.nat(7) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("set" as const),
        at: fc.nat(),
        value: fc.oneof(
          fc.constantFrom(0n, 1n, 4095n, 4096n, 1n << 32n, 1n << 46n, 1n << 63n, (1n << 64n) - 4096n),
          fc.bigInt({ min: 0n, max: 64n }).map((page) => page * 4096n),
        ),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("extend" as const), by: fc.integer({ min: 1, max: 48 }) }),
    },
  );
  type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

  function changed(bytes: Uint8Array, each: Change): Uint8Array {
    const copy = Uint8Array.from(bytes);
    if (each.kind === "cut") return copy.subarray(0, each.at % bytes.length);
    if (each.kind === "extend") return Uint8Array.from([...copy, ...new Array<number>(each.by).fill(0)]);
    // The version and the number of segments have tests of their own: nearly nothing gets past them.
    const at = 8 + (each.at % (bytes.length - 8));
    if (each.kind === "flip") copy[at] = (copy[at] ?? 0) ^ (1 << each.bit);
    else new DataView(copy.buffer).setBigUint64(at & ~7, each.value, true);
    return copy;
  }

  it("whatever became of a good one: it is consistent with itself, or an error says what is wrong", () => {
    const seen = { decoded: 0, segmentRefused: 0, headerRefused: 0 };
    fc.assert(
      fc.property(anySegments, change, fc.nat(3), (segments, each, more) => {
        const mutant = changed(encoded(endOf(segments) + more * PAGE, segments), each);
        try {
          expectConsistent(decodeMemoryDescription(mutant));
          seen.decoded++;
        } catch (error) {
          expect(error).toMatchObject({ name: "VfioError", code: "ERR_VFIO_BAD_MEMORY_DESCRIPTION" });
          if (/: (two )?segment/.test(String(error))) seen.segmentRefused++;
          else seen.headerRefused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(seen.decoded).toBeGreaterThan(300);
    expect(seen.segmentRefused).toBeGreaterThan(300);
    expect(seen.headerRefused).toBeGreaterThan(300);
  });

  it("bytes that have nothing of a description are none", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        if (bytes[0] === 1) bytes[0] = 2;
        expectError(() => decodeMemoryDescription(bytes), "ERR_VFIO_BAD_MEMORY_DESCRIPTION");
      }),
    );
  });

  const MIB_256 = 256 << 20;
  const at = (offset: number, iova: bigint, bytes = PAGE): Extent => ({ offset, iova, bytes });
  const LAST = (1n << 64n) - 4096n;
  const UNMAPPABLE = "segment 0 has an IOVA where nothing can be mapped";
  it.each<[string, number, Extent[], string]>([
    ["outside the memory", PAGE, [at(PAGE, 0n)], "segment 0 lies outside the memory"],
    ["without length", PAGE, [at(0, 0n, 0)], "segment 0 lies outside the memory"],
    ["of half a page", PAGE, [at(0, 0n, 2048)], "segment 0 is not made of pages"],
    ["that starts in a page", 2 * PAGE, [at(8, 0n)], "segment 0 is not made of pages"],
    ["at an odd IOVA", MIB_256, [at(0, 1n, MIB_256)], UNMAPPABLE],
    ["behind the last IOVA", 2 * PAGE, [at(0, LAST, 2 * PAGE)], `${UNMAPPABLE}, 0xfffffffffffff000`],
    [
      "in another's memory",
      3 * PAGE,
      [at(0, 0n, 2 * PAGE), at(PAGE, 0x8000n)],
      "segment 1 starts before the end",
    ],
    [
      "out of order",
      2 * PAGE,
      [at(PAGE, 0n), at(0, 0x8000n)],
      "segment 1 starts before the end of the one before",
    ],
    ["at another's IOVA", 3 * PAGE, [at(0, 0x8000n), at(PAGE, 0x7000n, 2 * PAGE)], "the same IOVA, 0x8000"],
  ])("a segment %s is refused", (_what, bytes, segments, problem) => {
    expectError(
      () => decodeMemoryDescription(forged(bytes, segments)),
      `ERR_VFIO_BAD_MEMORY_DESCRIPTION … ${problem}`,
      { name: "VfioError" },
    );
  });

  it("the last page of all IOVAs can be mapped", () => {
    const iova = (1n << 64n) - 4096n;
    const { table } = decodeMemoryDescription(encoded(PAGE, [{ offset: 0, iova, bytes: PAGE }]));

    expect([table.iovaOf(4095), table.offsetOf(iova, PAGE)]).toEqual([(1n << 64n) - 1n, 0]);
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
      expectError(() => decodeMemoryDescription(encoded), "ERR_VFIO_BAD_MEMORY_DESCRIPTION");
    }
  });

  it("another version is refused, with both versions", () => {
    const encoded = encodeMemoryDescription({ bytes: 4096, pageBytes: 4096, table: new IovaTable([]) });
    encoded[0] = 9;

    expectError(() => decodeMemoryDescription(encoded), "… version is 9");
  });
});

import { expectError } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IovaAllocator } from "../src/index.js";

const MIB = 1 << 20;
/** What the lab's IOMMU reports: range ends are inclusive, and the interrupt window is left out. */
const RANGES = [
  { start: 0n, end: 0xfedfffffn },
  { start: 0xfef00000n, end: (1n << 39n) - 1n },
];

describe("given the ranges of an IOMMU", () => {
  it("the lowest place that fits is given, aligned as asked for", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: RANGES });

    expect(allocator.allocate(4096)).toBe(0n);
    expect(allocator.allocate(2 * MIB, 2 * MIB)).toBe(BigInt(2 * MIB));
    expect(allocator.allocate(4096)).toBe(4096n);
  });

  it("the same calls give the same addresses", () => {
    const run = (): bigint[] => {
      const allocator = new IovaAllocator({ firstPage: true, ranges: RANGES });
      const first = allocator.allocate(MIB);
      const second = allocator.allocate(3 * MIB, 2 * MIB);
      allocator.release(first);
      return [first, second, allocator.allocate(2 * MIB, 2 * MIB), allocator.allocate(4096)];
    };

    expect(run()).toEqual(run());
  });

  it("the last address of a range can be given, and the one behind it not: ends are inclusive", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: [{ start: 0x1000n, end: 0x1fffn }] });

    expect(allocator.allocate(4096)).toBe(0x1000n);
    expectError(() => allocator.allocate(4096), "ERR_VFIO_IOVA_EXHAUSTED");
  });

  it("nothing is given that crosses the window of message-signalled interrupts", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: RANGES });

    expect(allocator.allocate(0xfee0_0000, 4096)).toBe(0n);
    expect(allocator.allocate(2 * MIB, 4096)).toBe(0xfef00000n);
  });

  it("a device with 28 address bits gets nothing at or above 256 MiB", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: RANGES, addressBits: 28 });

    expect(allocator.allocate(256 * MIB)).toBe(0n);
    expectError(
      () => allocator.allocate(4096),
      "ERR_VFIO_IOVA_EXHAUSTED … 0 bytes are free … 28 address bits",
    );
  });

  it("reserved windows stay free of our mappings, ends included, also after a release beside them", () => {
    const reserved = [{ start: 0x2000n, end: 0x2fffn }];
    const allocator = new IovaAllocator({ firstPage: true, ranges: [{ start: 0n, end: 0x4fffn }], reserved });

    const low = allocator.allocate(0x2000);
    const high = allocator.allocate(0x2000);
    allocator.release(low);
    allocator.release(high);

    expect([low, high]).toEqual([0n, 0x3000n]);
    expect(allocator.free).toEqual([
      { start: 0n, end: 0x1fffn, bytes: 0x2000n },
      { start: 0x3000n, end: 0x4fffn, bytes: 0x2000n },
    ]);
  });

  it("a place that was claimed is given to nobody else, and is free after its release", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: RANGES });
    allocator.claim(0n, 2 * MIB);

    expect(allocator.allocate(4096)).toBe(BigInt(2 * MIB));
    expectError(
      () => allocator.claim(0x1000n, 4096),
      "ERR_VFIO_DMA_OVERLAP … overlaps [0x0, 0x1fffff], which is taken",
    );
    allocator.release(0n);
    expect(allocator.allocate(4096)).toBe(0n);
  });

  it("when the ranges change, what is taken stays taken and only what is usable now is given", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: [{ start: 0n, end: 0xffffn }] });
    const before = allocator.allocate(0x8000);
    allocator.useRanges([{ start: 0x4000n, end: 0xbfffn }]);

    expect(allocator.free).toEqual([{ start: 0x8000n, end: 0xbfffn, bytes: 0x4000n }]);
    allocator.release(before);
    expect(allocator.free).toEqual([{ start: 0x4000n, end: 0xbfffn, bytes: 0x8000n }]);
  });

  it.each([
    [
      "a second release",
      (allocator: IovaAllocator) => (allocator.release(allocator.allocate(4096)), allocator.release(0n)),
    ],
    [
      "an address from the middle",
      (allocator: IovaAllocator) => (allocator.allocate(8192), allocator.release(4096n)),
    ],
  ])("%s is refused", (_what, release) => {
    expectError(
      () => release(new IovaAllocator({ firstPage: true, ranges: RANGES })),
      "ERR_VFIO_IOVA_NOT_ALLOCATED",
    );
  });

  it("lengths, alignments and address bits that make no sense are refused", () => {
    const allocator = new IovaAllocator({ firstPage: true, ranges: RANGES });

    for (const [bytes, alignment] of [
      [4096, 0.5],
      [4096, 2 ** 64],
      [0, 4096],
      [-1, 4096],
      [1.5, 4096],
      [4096, 3000],
      [4096, 0],
    ] as const) {
      expectError(() => allocator.allocate(bytes, alignment), "ERR_VFIO_DMA_ALIGNMENT");
    }
    for (const bytes of [-4096, 0, 1.5]) {
      expectError(() => allocator.claim(0x10_0000n, bytes), "ERR_VFIO_DMA_ALIGNMENT");
    }
    for (const addressBits of [0, 11, 65, 30.5]) {
      expectError(() => new IovaAllocator({ addressBits }), "ERR_VFIO_ADDRESS_BITS");
    }
  });

  it("whatever is asked of it in whatever order, no two stretches overlap, all lie where they may, and all space comes back", () => {
    const step = fc.oneof(
      fc.record({ pages: fc.integer({ min: 1, max: 64 }), align: fc.constantFrom(4096, 65536) }),
      fc.record({ release: fc.nat(30) }),
    );
    const options = {
      ranges: [
        { start: 0x1000n, end: 0x7ffffn },
        { start: 0x90000n, end: 0x1fffffn },
      ],
      reserved: [{ start: 0x20000n, end: 0x2ffffn }],
      addressBits: 20,
    };
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const allocator = new IovaAllocator(options);
        const atFirst = allocator.free;
        const taken: { iova: bigint; bytes: number }[] = [];
        for (const each of steps) {
          if ("release" in each) {
            const gone = taken.splice(each.release, 1)[0];
            if (gone !== undefined) allocator.release(gone.iova);
          } else {
            const bytes = each.pages * 4096;
            const iova = tryAllocate(allocator, bytes, each.align);
            if (iova === undefined) continue;
            const end = iova + BigInt(bytes) - 1n;
            expect(iova % BigInt(each.align)).toBe(0n);
            expect(
              end < 1n << 20n && options.ranges.some((range) => iova >= range.start && end <= range.end),
            ).toBe(true);
            expect(iova > 0x2ffffn || end < 0x20000n).toBe(true);
            expect(taken.some((other) => iova < other.iova + BigInt(other.bytes) && end >= other.iova)).toBe(
              false,
            );
            taken.push({ iova, bytes });
          }
        }
        for (const { iova } of taken) allocator.release(iova);
        expect(allocator.free).toEqual(atFirst);
      }),
      { numRuns: 1000 },
    );
  });
});

function tryAllocate(allocator: IovaAllocator, bytes: number, align: number): bigint | undefined {
  try {
    return allocator.allocate(bytes, align);
  } catch (error) {
    expect(error).toMatchObject({ code: "ERR_VFIO_IOVA_EXHAUSTED" });
    return undefined;
  }
}

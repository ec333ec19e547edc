import { expectError } from "@vfio/test-support";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { DmaMapper, IovaAllocator } from "../src/index.js";
import { FakeIommu, memoryAt, mapperOn, mapped } from "./fake-iommu.js";

const PAGE = 4096;
const pages = (count: number): bigint[] => Array.from({ length: count }, () => 0n);

/** An IOMMU with mappings that somebody else made; counts how often it refused a place for them. */
class SharedIommu extends FakeIommu {
  refusals = 0;

  constructor(others: readonly (readonly [iova: bigint, bytes: number])[]) {
    super();
    for (const [iova, bytes] of others) this.mapped.set(iova, bytes);
  }

  override map(...args: Parameters<FakeIommu["map"]>): number {
    try {
      return super.map(...args);
    } catch (error) {
      this.refusals++;
      throw error;
    }
  }
}

describe("given somebody else's mappings where the allocator wants to go", () => {
  it("they are stepped over, and not run into again", () => {
    const { iommu, mapper } = mapperOn(
      "allocate",
      new SharedIommu([
        [0x1000n, PAGE],
        [0x3000n, 2 * PAGE],
      ]),
    );

    const iovas = [1, 2, 3].map(() => mapper.map(memoryAt(pages(1))).iovaOf(0));

    expect(iovas).toEqual([0x2000n, 0x5000n, 0x6000n]);
    expect(iommu.refusals).toBe(3);
  });

  it("in the middle of a memory in pieces, what was mapped before is unmapped, and only the piece in the way left out", () => {
    const { iommu, mapper, mapping } = mapped(
      pages(4),
      "allocate",
      { pieceBytes: PAGE },
      new SharedIommu([[0x3000n, PAGE]]),
    );
    const small = mapper.map(memoryAt(pages(2)));

    expect([mapping.iovaOf(0), small.iovaOf(0)]).toEqual([0x4000n, 0x1000n]);
    expect(new Set(iommu.mapped.keys())).toEqual(
      new Set([0x1000n, 0x3000n, 0x4000n, 0x5000n, 0x6000n, 0x7000n]),
    );
  });

  it("one of half the space costs few attempts", () => {
    const { iommu, mapper, mapping } = mapped(pages(1), "allocate", {}, new SharedIommu([[0n, 0x80_0000]]));

    expect(mapping.iovaOf(0) >= 0x80_0000n).toBe(true);
    expect(iommu.refusals).toBeLessThan(32);
    mapper.map(memoryAt(pages(1)));
    expect(iommu.refusals).toBeLessThan(32);
  });

  it("when they are gone, their place is given out before the space is said to be used up", () => {
    const iommu = new SharedIommu([[0x1000n, PAGE]]);
    const allocator = new IovaAllocator({ ranges: [{ start: 0x1000n, end: 0x2fffn }] });
    const mapper = new DmaMapper(iommu, { iova: allocator });
    expect(mapper.map(memoryAt(pages(1))).iovaOf(0)).toBe(0x2000n);

    expectError(
      () => mapper.map(memoryAt(pages(1))),
      "ERR_VFIO_IOVA_EXHAUSTED … 4096 bytes are left out, because others have mappings … share an IovaAllocator",
    );

    iommu.unmap(0x1000n, PAGE);
    expect(mapper.map(memoryAt(pages(1))).iovaOf(0)).toBe(0x1000n);
  });

  it("when the last group has left, they are gone too", () => {
    const { iommu, mapper } = mapperOn("allocate", new SharedIommu([[0x1000n, PAGE]]));
    const former = mapper.map(memoryAt(pages(1)));
    iommu.lastGroupLeaves();
    former.unmap();
    iommu.groupJoins();

    expect(mapper.map(memoryAt(pages(1))).iovaOf(0)).toBe(0x1000n);
  });

  it("an address that was asked for is not exchanged for another", () => {
    const { iommu, mapper } = mapperOn("allocate", new SharedIommu([[0x1000n, PAGE]]));
    const memory = memoryAt(pages(1));
    const attempts = vi.spyOn(iommu, "map");

    expectError(() => mapper.map(memory, { iova: 0x1000n }), "EEXIST");

    expect(attempts).toHaveBeenCalledOnce();
    expect([memory.holds.size, iommu.mapped.size]).toEqual([0, 1]);
  });

  it("two mappers on one container, each with an allocator of its own, keep clear of each other", () => {
    const iommu = new SharedIommu([]);
    const mappers = [1, 2].map(() => new DmaMapper(iommu, { iova: "allocate" }));

    const iovas = [0, 1, 0, 1].map((each) => mappers[each]?.map(memoryAt(pages(1))).iovaOf(0));

    expect(iovas).toEqual([0x1000n, 0x2000n, 0x3000n, 0x4000n]);
    for (const mapper of mappers) mapper.close();
    expect(iommu.mapped.size).toBe(0);
  });

  it("wherever they are, a memory is mapped if there is a place for it, and nothing of theirs is touched", () => {
    const other = fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 4 }));
    const property = fc.property(
      fc.array(other),
      fc.array(fc.integer({ min: 1, max: 3 })),
      (others, sizes) => {
        const iommu = new FakeIommu();
        const taken = new Set<number>();
        for (const [start, count] of others) {
          const all = Array.from({ length: count }, (_, page) => start + page);
          if (all.some((page) => taken.has(page))) continue;
          for (const page of all) taken.add(page);
          iommu.mapped.set(BigInt(start * PAGE), count * PAGE);
        }
        const theirs = new Map(iommu.mapped);
        const allocator = new IovaAllocator({
          firstPage: true,
          ranges: [{ start: 0n, end: BigInt(40 * PAGE) - 1n }],
        });
        const mapper = new DmaMapper(iommu, { iova: allocator });
        for (const size of sizes) {
          const isThere = Array.from({ length: 41 - size }, (_, from) => from).some((from) =>
            Array.from({ length: size }, (_, page) => from + page).every((page) => !taken.has(page)),
          );
          if (isThere) {
            const first = Number(mapper.map(memoryAt(pages(size))).iovaOf(0)) / PAGE;
            for (let page = first; page < first + size; page++) taken.add(page);
          } else {
            expectError(() => mapper.map(memoryAt(pages(size))), "ERR_VFIO_IOVA_EXHAUSTED");
          }
        }
        mapper.close();
        expect(iommu.mapped).toEqual(theirs);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

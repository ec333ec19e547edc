import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { describe, expect, it } from "vitest";
import { DmaMapper, IovaAllocator, type AddressSpace, type MappableMemory } from "../src/index.js";
import { memoryAt } from "./fake-iommu.js";

/**
 * So many that whatever looks at all of them for each would take minutes, and these tests would be ended: the limit of
 * a test is seconds.
 */
const MANY = 60_000;
const PAGE = 4096;

/** An IOMMU that finds a mapping without looking at the others. */
class QuickIommu implements AddressSpace {
  readonly kind = "emulated";
  readonly forgets = "with-last-group";
  readonly mapped = new Map<bigint, number>();

  limits(): IommuInfo | undefined {
    const iovaRanges = [{ start: 0n, end: (1n << 48n) - 1n }];
    return { pageSizes: 0x1000n, smallestPage: PAGE, iovaRanges, mappingsLeft: MANY };
  }

  map(...[, , bytes, iova, , pieceBytes = bytes]: Parameters<AddressSpace["map"]>): number {
    if (this.mapped.has(iova)) throw Object.assign(new Error("there is one"), { code: "EEXIST" });
    this.mapped.set(iova, pieceBytes);
    return pieceBytes;
  }

  unmap(iova: bigint): number {
    const bytes = this.mapped.get(iova) ?? 0;
    this.mapped.delete(iova);
    return bytes;
  }
}

/** Pages none of which lies behind another, so that each is a mapping of its own in the kernel. */
const scattered = (count: number): MappableMemory =>
  memoryAt(Array.from({ length: count }, (_, page) => BigInt(page * 2 * PAGE)));
const onePage = (page: number): MappableMemory => ({
  ...memoryAt([]),
  bytes: PAGE,
  address: BigInt(page * PAGE),
});
/** All indexes, each once, so that neighbours lie far from each other. */
const inNoOrder = Array.from({ length: MANY }, (_, index) => (index * 7919) % MANY);

describe("given tens of thousands of mappings", () => {
  it.each(["allocate", "virtual", "fixed"] as const)(
    "with %s IOVAs, each is made, found, made anew and unmapped",
    (how) => {
      const iommu = new QuickIommu();
      const mapper = new DmaMapper(iommu, { iova: how === "fixed" ? "allocate" : how });
      const optionsOf = (page: number) => (how === "fixed" ? { iova: BigInt(page * PAGE) } : {});

      const mappings = inNoOrder.map((page) => mapper.map(onePage(page), optionsOf(page)));
      const again = mapper.map(onePage(7919), optionsOf(7919));
      expect(again).toBe(mappings[1]);
      again.unmap();
      expect(mapper.replay()).toBe(0);
      iommu.mapped.clear();
      expect([mapper.replay(), iommu.mapped.size]).toEqual([MANY, MANY]);

      for (const index of inNoOrder) mappings[index]?.unmap();
      expect([iommu.mapped.size, mapper.mappings.length]).toEqual([0, 0]);
    },
  );

  it("that wait for a group at fixed IOVAs, each has a place of its own, and all come with the group", () => {
    const iommu = new QuickIommu();
    const limits = iommu.limits.bind(iommu);
    iommu.limits = () => undefined;
    const mapper = new DmaMapper(iommu, { iova: "physical" });
    for (const page of inNoOrder) mapper.map(onePage(page), { iova: BigInt(page * PAGE) });
    expect(iommu.mapped.size).toBe(0);

    iommu.limits = limits;
    expect([mapper.replay(), iommu.mapped.size]).toEqual([MANY, MANY]);
  });
});

describe("given a memory in tens of thousands of stretches", () => {
  it("it is unmapped as a whole", () => {
    const iommu = new QuickIommu();
    const mapping = new DmaMapper(iommu, { iova: "physical" }).map(scattered(MANY));
    expect(iommu.mapped.size).toBe(MANY);

    mapping.unmap();

    expect(iommu.mapped.size).toBe(0);
  });

  it("it is unmapped part by part, and what is left keeps its addresses", () => {
    const iommu = new QuickIommu();
    const mapping = new DmaMapper(iommu, { iova: "physical" }).map(scattered(MANY));

    for (const page of inNoOrder) if (page % 100 !== 0) mapping.unmapPart(page * PAGE, PAGE);

    expect(mapping.pieces).toHaveLength(MANY / 100);
    expect(mapping.iovaOf(500 * PAGE)).toBe(BigInt(500 * 2 * PAGE));
    expect(iommu.mapped.size).toBe(MANY / 100);
  });

  it("one stretch of as many pieces is unmapped piece by piece", () => {
    const iommu = new QuickIommu();
    const memory = { ...onePage(1), bytes: MANY * PAGE };
    const mapping = new DmaMapper(iommu, { iova: "virtual" }).map(memory, { pieceBytes: PAGE });

    for (const page of inNoOrder) mapping.unmapPart(page * PAGE, PAGE);

    expect([mapping.mapped, iommu.mapped.size]).toEqual([false, 0]);
  });
});

describe("given an allocator with tens of thousands of holes", () => {
  it("what fits none of them is found behind them, and what is claimed finds its neighbours", () => {
    const allocator = new IovaAllocator({ ranges: [{ start: 0n, end: (1n << 48n) - 1n }] });
    const taken = inNoOrder.map(() => allocator.allocate(PAGE));
    for (const iova of taken) if (iova % 8192n === 0n) allocator.release(iova);

    const behind = inNoOrder.map(() => allocator.allocate(2 * PAGE));
    for (const index of inNoOrder) if (index % 2 === 0) allocator.claim(BigInt(index * PAGE), PAGE);

    expect(behind[0]).toBe(BigInt(MANY * PAGE));
    expect(allocator.free).toHaveLength(1);
  });
});

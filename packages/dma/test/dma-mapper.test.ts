import { errorOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { DmaMapper } from "../src/index.js";
import { FakeIommu, memoryAt } from "./fake-iommu.js";

const SCATTERED = [0x1000n, 0x2000n, 0x9000n];

describe("given memory whose pages lie in two physical runs", () => {
  it("IOVA = PA takes one map call a run, and holds the memory until it is unmapped", () => {
    const iommu = new FakeIommu();
    const memory = memoryAt(SCATTERED);
    const mapper = new DmaMapper(iommu);

    const mapping = mapper.map(memory);

    expect(iommu.calls).toEqual(["70000000 → 1000 8192 read-write", "70002000 → 9000 4096 read-write"]);
    expect(mapping.iovaOf(8192)).toBe(0x9000n);
    expect([...memory.holds]).toEqual(["the DMA mapping of IOVA [0x1000, 0x2fff] and 1 more"]);
    mapping.unmap();
    mapping.unmap();
    expect([iommu.mapped.size, memory.holds.size, mapper.mappings.length]).toEqual([0, 0, 0]);
  });

  it("IOVA = VA takes one map call in all, at the memory's own address", () => {
    const iommu = new FakeIommu();
    const memory = { ...memoryAt(SCATTERED), address: 0x40_0000n };

    new DmaMapper(iommu, { iova: "virtual" }).map(memory, { access: "read-only" });

    expect(iommu.calls).toEqual(["400000 → 400000 12288 read-only"]);
  });

  it("when the second run fails, the first is unmapped again and the memory is free", () => {
    const iommu = new FakeIommu();
    iommu.failAt = 0x9000n;
    const memory = memoryAt(SCATTERED);
    const mapper = new DmaMapper(iommu);

    expect(errorOf(() => mapper.map(memory)).message).toBe("the IOMMU refuses");
    expect([iommu.mapped.size, memory.holds.size, mapper.mappings.length]).toEqual([0, 0, 0]);
  });

  it("when the kernel unmaps less than was mapped, that is an error with both numbers", () => {
    const iommu = new FakeIommu();
    const mapping = new DmaMapper(iommu).map(memoryAt([0x1000n]));
    iommu.unmapsOnly = 0;

    const error = errorOf(() => mapping.unmap());

    expect(error).toMatchObject({ code: "ERR_VFIO_UNMAP_INCOMPLETE" });
    expect(error.message).toContain("unmapped 0 of 4096 bytes at IOVA [0x1000, 0x1fff]");
  });
});

describe("given an address that cannot be mapped", () => {
  it.each([
    ["unaligned", 0x1800n, "ERR_VFIO_DMA_ALIGNMENT", "multiples of the IOMMU's page size, 4096 bytes"],
    ["behind the last usable address", 0x100_0000n, "ERR_VFIO_IOVA_OUT_OF_RANGE", "[0x0, 0xffffff]"],
    ["across the end of the usable range", 0xff_f000n, "ERR_VFIO_IOVA_OUT_OF_RANGE", "[0xfff000, 0x1000fff]"],
    ["over a mapping that is there", 0x2000n, "ERR_VFIO_DMA_OVERLAP", "overlaps [0x1000, 0x2fff]"],
  ])("%s: a RangeError names the rule, and the IOMMU was not asked", (_what, iova, code, words) => {
    const iommu = new FakeIommu();
    const mapper = new DmaMapper(iommu);
    mapper.map(memoryAt([0n, 0n]), { iova: 0x1000n });
    const other = memoryAt([0n, 0n]);

    const error = errorOf(() => mapper.map(other, { iova }));

    expect(error).toBeInstanceOf(RangeError);
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(words);
    expect([iommu.calls.length, other.holds.size]).toEqual([1, 0]);
  });

  it("the last page of a range is inside it: range ends are inclusive", () => {
    const iommu = new FakeIommu();

    new DmaMapper(iommu).map(memoryAt([0n]), { iova: 0xff_f000n });

    expect(iommu.mapped.get(0xff_f000n)).toBe(4096);
  });

  it("next to a mapping is not over it", () => {
    const mapper = new DmaMapper(new FakeIommu());
    mapper.map(memoryAt([0n]), { iova: 0x2000n });

    mapper.map(memoryAt([0n]), { iova: 0x1000n });
    mapper.map(memoryAt([0n]), { iova: 0x3000n });

    expect(mapper.mappings).toHaveLength(3);
  });
});

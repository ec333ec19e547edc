import { errorOf, expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { DmaMapper, IovaAllocator } from "../src/index.js";
import { FakeIommu, memoryAt, mapperOn, mapped } from "./fake-iommu.js";

describe("given a mapping whose addresses somebody knows", () => {
  it("they stay its own while it cannot be made anew, and it comes back at them", () => {
    const { iommu, mapper } = mapperOn("allocate");
    const ring = mapper.map(memoryAt([0n]));
    const known = ring.iovaOf(0);
    iommu.lastGroupLeaves();
    iommu.failAt = known;
    expect(errorOf(() => iommu.groupJoins()).message).toBe("the IOMMU refuses");

    const other = mapper.map(memoryAt([0n]));
    iommu.failAt = undefined;
    mapper.replay();

    expect(other.iovaOf(0)).not.toBe(known);
    expect(ring.iovaOf(0)).toBe(known);
  });

  it("one that was never mapped gives its addresses back, and gets others when it is tried again", () => {
    const { iommu, mapper } = mapperOn("allocate");
    iommu.ready = false;
    const waiting = mapper.map(memoryAt([0n]));
    iommu.failAt = 0x1000n;
    expect(errorOf(() => iommu.groupJoins()).message).toBe("the IOMMU refuses");
    iommu.failAt = undefined;

    expect(mapper.map(memoryAt([0n])).iovaOf(0)).toBe(0x1000n);
    mapper.replay();
    expect(waiting.iovaOf(0)).toBe(0x2000n);
  });
});

describe("given an IOMMU that never forgets", () => {
  it("it is not asked for what is mapped, and what waits for a group is mapped", () => {
    const { iommu, mapper, mapping } = mapped([0x1000n], "physical");
    iommu.forgets = "never";
    iommu.ready = false;
    const other = mapper.map(memoryAt([0x5000n]));
    iommu.failAt = 0x1000n;
    iommu.groupJoins();

    expect([mapping.mapped, other.mapped, mapper.replay()]).toEqual([true, true, 0]);
  });
});

describe("given ordinary pages at addresses that somebody knows", () => {
  it.each(["physical", "allocate"] as const)(
    "at %s ones, a part that was unmapped stays so, and the rest comes back",
    (iova) => {
      const pages = [0x1000n, 0x2000n, 0x3000n, 0x4000n];
      const { iommu, mapping } = mapped(pages, iova, { pieceBytes: 4096 });
      mapping.unmapPart(4096, 8192);
      iommu.lastGroupLeaves();

      iommu.groupJoins();

      expect([...iommu.mapped.keys()]).toEqual([0x1000n, 0x4000n]);
      expectError(() => mapping.iovaOf(4096), "ERR_VFIO_NOT_MAPPED");
    },
  );

  it("a part that was unmapped before an unmap that failed does not come back, and the rest does", () => {
    const { iommu, memory, mapping } = mapped([0x1000n, 0x3000n, 0x5000n], "physical");
    iommu.unmapFailsAt = 0x5000n;
    expectError(() => mapping.unmap(), "EIO");
    iommu.unmapFailsAt = undefined;
    iommu.lastGroupLeaves();

    iommu.groupJoins();
    expect([...iommu.mapped.keys()]).toEqual([0x5000n]);

    mapping.unmap();
    expect([iommu.mapped.size, memory.holds.size]).toEqual([0, 0]);
  });

  it("pages that have moved keep the addresses that somebody knows", () => {
    const { iommu, memory, mapping } = mapped([0x1000n, 0x2000n], "physical");
    const { table } = mapping;
    iommu.lastGroupLeaves();
    memory.physicalAddresses = () => [0x1000n, 0x9000n];

    iommu.groupJoins();

    expect([table.iovaOf(4096), mapping.iovaOf(4096)]).toEqual([0x2000n, 0x2000n]);
    expect(iommu.mapped).toEqual(new Map([[0x1000n, 8192]]));
  });

  it("at a fixed address, it is not in its own way when the group leaves again while it comes back", () => {
    const { iommu, mapping } = mapped([0x1000n], "physical", { iova: 0x7000n });
    iommu.lastGroupLeaves();
    const limits = iommu.limits.bind(iommu);
    iommu.limits = () => {
      const answer = limits();
      iommu.ready = false;
      return answer;
    };

    iommu.groupJoins();
    expect(mapping.mapped).toBe(false);

    iommu.limits = limits;
    iommu.groupJoins();
    expect(mapping.iovaOf(0)).toBe(0x7000n);
  });

  it("what may still be mapped, since undoing failed too, stays held, and its addresses stay taken", () => {
    const { iommu, mapper, memory, mapping } = mapped([0x1000n, 0x3000n, 0x5000n], "physical");
    iommu.lastGroupLeaves();
    iommu.failAt = 0x5000n;
    iommu.unmapFailsAt = 0x3000n;
    expectError(() => iommu.groupJoins(), "ERR_VFIO_ROLLBACK_FAILED");
    iommu.failAt = iommu.unmapFailsAt = undefined;

    mapping.unmap();

    expect([mapper.mappings, memory.holds.size, [...iommu.mapped.keys()]]).toEqual([[], 1, [0x3000n]]);
    expectError(() => mapper.map(memoryAt([0x3000n])), "ERR_VFIO_DMA_OVERLAP … which another mapping has");
  });

  it("nobody else gets those addresses before they are unmapped, not even by having the pages", () => {
    const { iommu, mapper } = mapperOn("physical");
    const former = mapper.map(memoryAt([0x2000n]));
    iommu.lastGroupLeaves();
    iommu.failAt = 0x2000n;
    expect(errorOf(() => iommu.groupJoins()).message).toBe("the IOMMU refuses");
    iommu.failAt = undefined;
    const next = memoryAt([0x2000n]);

    expectError(() => mapper.map(next), "ERR_VFIO_DMA_OVERLAP");
    former.unmap();
    expect(mapper.map(next).iovaOf(0)).toBe(0x2000n);
  });

  it("several that cannot be made anew are told together, each with its own error", () => {
    const { iommu, mapper } = mapperOn("physical");
    mapper.map(memoryAt([0x9000n]));
    mapper.map(memoryAt([0xb000n]));
    iommu.lastGroupLeaves();
    iommu.lastAddress = 0x4fffn;

    const error = errorOf(() => iommu.groupJoins()) as AggregateError;

    expect(error).toMatchObject({ code: "ERR_VFIO_SEVERAL" });
    expect(error.message).toContain(
      "2 mappings could not be made anew: IOVA [0x9000, 0x9fff] is not in a range",
    );
    expect(error.errors.map(({ code }: { code: string }) => code)).toEqual([
      "ERR_VFIO_IOVA_OUT_OF_RANGE",
      "ERR_VFIO_IOVA_OUT_OF_RANGE",
    ]);
  });
});

describe("given fixed IOVAs that wait for a group", () => {
  const waitingMapper = (): DmaMapper => {
    const iommu = new FakeIommu({ ready: false });
    return new DmaMapper(iommu, { addressBits: 28 });
  };

  it.each([
    ["not a multiple of any page", 0x1800n, "ERR_VFIO_DMA_ALIGNMENT"],
    ["beyond the device's reach", 0x1000_0000n, "ERR_VFIO_IOVA_OUT_OF_REACH"],
    ["over another one that waits", 0x8000n, "ERR_VFIO_DMA_OVERLAP"],
  ])("one %s is refused at once, and nothing of it stays", (_what, iova, code) => {
    const mapper = waitingMapper();
    mapper.map(memoryAt([0n, 0n]), { iova: 0x7000n });
    const memory = memoryAt([0n]);

    expectError(() => mapper.map(memory, { iova }), code);
    expect([memory.holds.size, mapper.mappings.length]).toEqual([0, 1]);
  });

  it("the place of one that was unmapped while it waited is free", () => {
    const mapper = waitingMapper();
    mapper.map(memoryAt([0n]), { iova: 0x7000n }).unmap();

    expect(mapper.map(memoryAt([0n]), { iova: 0x7000n }).mapped).toBe(false);
  });

  it("an allocator gives them to no other that waits, also if that one comes first, until they are unmapped", () => {
    const iommu = new FakeIommu({ ready: false });
    const allocator = new IovaAllocator();
    const mapper = new DmaMapper(iommu, { iova: allocator });
    const chosen = mapper.map(memoryAt([0n]));
    const fixed = mapper.map(memoryAt([0n]), { iova: 0n });
    expectError(() => mapper.map(memoryAt([0n]), { iova: 0n }), "ERR_VFIO_DMA_OVERLAP");
    mapper.map(memoryAt([0n]), { iova: 0x1000n }).unmap();

    iommu.groupJoins();
    mapper.replay();

    expect([fixed.iovaOf(0), chosen.iovaOf(0)]).toEqual([0n, 0x1000n]);
    mapper.close();
    expectError(() => allocator.release(0n), "ERR_VFIO_IOVA_NOT_ALLOCATED");
  });
});

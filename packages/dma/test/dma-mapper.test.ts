import { errorOf, expectError } from "@vfio/test-support";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { DmaMapper, IovaAllocator } from "../src/index.js";
import { FakeIommu, ManyAtOnce, memoryAt, mapped, mapperOn } from "./fake-iommu.js";

const SCATTERED = [0x1000n, 0x2000n, 0x9000n];

describe("given memory whose pages lie in two physical runs", () => {
  it("IOVA = PA takes one map call a run, and holds the memory until it is unmapped", () => {
    const { iommu, mapper, memory, mapping } = mapped(SCATTERED, "physical");

    expect(iommu.calls).toEqual(["70000000 → 1000 8192 read-write", "70002000 → 9000 4096 read-write"]);
    expect(mapping.iovaOf(8192)).toBe(0x9000n);
    expect([...memory.holds]).toEqual(["a DMA mapping (physical IOVAs)"]);
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
    const { iommu, mapper } = mapperOn("physical", new FakeIommu({ failAt: 0x9000n }));
    const memory = memoryAt(SCATTERED);

    expect(errorOf(() => mapper.map(memory)).message).toBe("the IOMMU refuses");
    expect([iommu.mapped.size, memory.holds.size, mapper.mappings.length]).toEqual([0, 0, 0]);
  });

  it("when the kernel unmaps less than was mapped, that is an error with both numbers", () => {
    const { iommu, mapping } = mapped([0x1000n], "physical");
    iommu.unmapsOnly = 0;

    expectError(
      () => mapping.unmap(),
      "ERR_VFIO_UNMAP_INCOMPLETE … unmapped 0 of 4096 bytes at IOVA [0x1000, 0x1fff]",
    );
  });
});

describe("given an address that cannot be mapped", () => {
  const OVERLAP = "overlaps [0x1000, 0x2fff], which another mapping has";
  it.each([
    ["unaligned", 0x1800n, "ERR_VFIO_DMA_ALIGNMENT", "multiples of the IOMMU's page size, 4096 bytes"],
    ["behind the last usable address", 0x100_0000n, "ERR_VFIO_IOVA_OUT_OF_RANGE", "[0x0, 0xffffff]"],
    ["across the end of the usable range", 0xff_f000n, "ERR_VFIO_IOVA_OUT_OF_RANGE", "[0xfff000, 0x1000fff]"],
    ["over a mapping that is there", 0x2000n, "ERR_VFIO_DMA_OVERLAP", OVERLAP],
  ])("%s: a RangeError names the rule, and the IOMMU was not asked", (_what, iova, code, words) => {
    const { iommu, mapper } = mapperOn("physical");
    mapper.map(memoryAt([0n, 0n]), { iova: 0x1000n });
    const other = memoryAt([0n, 0n]);

    const error = expectError(() => mapper.map(other, { iova }), `${code} … ${words}`);

    expect(error).toBeInstanceOf(RangeError);
    expect([iommu.calls.length, other.holds.size]).toEqual([1, 0]);
  });

  it("the last page of a range is inside it: range ends are inclusive", () => {
    const iommu = new FakeIommu();

    new DmaMapper(iommu, { iova: "physical" }).map(memoryAt([0n]), { iova: 0xff_f000n });

    expect(iommu.mapped.get(0xff_f000n)).toBe(4096);
  });

  it("next to a mapping is not over it", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "physical" });
    mapper.map(memoryAt([0n]), { iova: 0x2000n });

    mapper.map(memoryAt([0n]), { iova: 0x1000n });
    mapper.map(memoryAt([0n]), { iova: 0x3000n });

    expect(mapper.mappings).toHaveLength(3);
  });
});

describe("given the IOVA mode allocate", () => {
  it("each memory gets one piece within the device's reach, aligned to its pages, and gives it back", () => {
    const iommu = new FakeIommu();
    const mapper = new DmaMapper(iommu, { iova: "allocate", addressBits: 16 });

    const first = mapper.map(memoryAt(SCATTERED));
    const second = mapper.map(memoryAt(SCATTERED));

    expect([first.pieces, second.pieces]).toEqual([
      [{ offset: 0, iova: 0x1000n, bytes: 12288 }],
      [{ offset: 0, iova: 0x4000n, bytes: 12288 }],
    ]);
    first.unmap();
    expect(mapper.map(memoryAt(SCATTERED)).iovaOf(0)).toBe(0x1000n);
  });

  it("a fixed IOVA beside allocated ones is kept free of them", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "allocate" });
    mapper.map(memoryAt([0n]), { iova: 0x1000n });

    expect(mapper.map(memoryAt([0n, 0n])).iovaOf(0)).toBe(0x2000n);
  });

  it("a failed map gives its IOVA back", () => {
    const { iommu, mapper } = mapperOn("allocate");
    iommu.failAt = 0x1000n;
    errorOf(() => mapper.map(memoryAt([0n])));
    iommu.failAt = undefined;

    expect(mapper.map(memoryAt([0n])).iovaOf(0)).toBe(0x1000n);
  });

  it("an allocator can be shared by mappers, with windows of its own", () => {
    const allocator = new IovaAllocator({ reserved: [{ start: 0n, end: 0xfffn }] });
    const one = new DmaMapper(new FakeIommu(), { iova: allocator });
    const other = new DmaMapper(new FakeIommu(), { iova: allocator });

    expect([one.map(memoryAt([0n])).iovaOf(0), other.map(memoryAt([0n])).iovaOf(0)]).toEqual([
      0x1000n,
      0x2000n,
    ]);
  });
});

describe("given an IOMMU whose ranges change when groups come and go", () => {
  it("what was refused before is mapped after they grew, and what was usable is refused after they shrank", () => {
    const { iommu, mapper } = mapperOn("physical");
    expectError(() => mapper.map(memoryAt([0x100_0000n])), "ERR_VFIO_IOVA_OUT_OF_RANGE");

    iommu.lastAddress = 0x1ff_ffffn;
    expect(mapper.map(memoryAt([0x100_0000n])).mapped).toBe(true);

    iommu.lastAddress = 0xffffn;
    expectError(() => mapper.map(memoryAt([0x10_0000n])), "ERR_VFIO_IOVA_OUT_OF_RANGE");
  });
});

describe("given a device that drives few address bits", () => {
  it("a physical address beyond them is refused, and the way out named", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "physical", addressBits: 12 });

    expectError(
      () => mapper.map(memoryAt([0x1000n])),
      'ERR_VFIO_IOVA_OUT_OF_REACH … 12 address bits … iova: "allocate"',
    );
  });
});

describe("given a NUMA node that the machine does not have", () => {
  it.each([-1, 1000])("node %i is refused at once, not with the first buffer", (numaNode) => {
    expectError(
      () => new DmaMapper(new FakeIommu(), { numaNode }),
      `ERR_VFIO_NUMA_NODE … no NUMA node ${numaNode}; it has … sysfs says -1`,
    );
  });
});

describe("given memory mapped in pieces", () => {
  it("there is one map call a piece, and each piece can be unmapped alone", () => {
    const { iommu, mapper, memory, mapping } = mapped([0n, 0n, 0n, 0n], "allocate", { pieceBytes: 4096 });
    expect(iommu.calls).toHaveLength(4);

    mapping.unmapPart(4096, 8192);

    expect([...iommu.mapped.keys()]).toEqual([0x1000n, 0x4000n]);
    expectError(() => mapping.iovaOf(4096), "ERR_VFIO_NOT_MAPPED");
    expect([mapping.iovaOf(0), mapping.iovaOf(12288)]).toEqual([0x1000n, 0x4000n]);
    mapping.unmapPart(0, 4096);
    mapping.unmapPart(12288, 4096);
    expect([mapping.mapped, memory.holds.size, iommu.mapped.size]).toEqual([false, 0, 0]);
    expect(mapper.map(memoryAt([0n])).iovaOf(0)).toBe(0x1000n);
  });

  it("an IOMMU that maps many pieces with one call is asked for the rest until all are mapped", () => {
    const { iommu, mapping } = mapped(
      [0n, 0n, 0n, 0n, 0n, 0n, 0n],
      "allocate",
      { pieceBytes: 8192 },
      new ManyAtOnce(3),
    );

    expect(iommu.asked).toEqual(["1000 28672", "7000 4096"]);
    expect(mapping.pieces.map(({ offset, iova, bytes }) => [offset, iova, bytes])).toEqual([
      [0, 0x1000n, 8192],
      [8192, 0x3000n, 8192],
      [16384, 0x5000n, 8192],
      [24576, 0x7000n, 4096],
    ]);
    expect([...iommu.mapped]).toEqual(mapping.pieces.map(({ iova, bytes }) => [iova, bytes]));
    mapping.unmap();
    expect(iommu.mapped.size).toBe(0);
  });

  it("when one of the many fails, its own error is told, and those before it are unmapped again", () => {
    const iommu = new ManyAtOnce(3);
    iommu.failAt = 0x5000n;
    const memory = memoryAt([0n, 0n, 0n, 0n, 0n, 0n, 0n]);
    const mapper = new DmaMapper(iommu, { iova: "allocate" });

    const error = errorOf(() => mapper.map(memory, { pieceBytes: 4096 }));

    expect(error.message).toBe("the IOMMU refuses");
    expect(iommu.asked).toEqual(["1000 28672", "4000 16384", "5000 12288"]);
    expect([iommu.mapped.size, memory.holds.size, mapper.mappings.length]).toEqual([0, 0, 0]);
  });

  it("parts of it are free for others once they are unmapped, and the rest is not", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "physical" });
    const at = (iova: bigint) => mapper.map(memoryAt([0n]), { iova });
    const mapping = mapper.map(memoryAt([0n, 0n, 0n, 0n]), { iova: 0x4000n, pieceBytes: 4096 });

    mapping.unmapPart(4096, 8192);

    expect([at(0x5000n).iovaOf(0), at(0x6000n).iovaOf(0)]).toEqual([0x5000n, 0x6000n]);
    for (const taken of [0x4000n, 0x7000n]) expectError(() => at(taken), "ERR_VFIO_DMA_OVERLAP");
  });

  it.each([
    ["half a piece", 0, 2048],
    ["from within a piece", 2048, 4096],
    ["more than there is", 0, 20000],
    ["nothing", 4096, 0],
  ])("%s cannot be unmapped: the error names the pieces, and all stay mapped", (_what, offset, bytes) => {
    const { iommu, mapping } = mapped([0n, 0n], "allocate", { pieceBytes: 4096 });

    expectError(() => mapping.unmapPart(offset, bytes), "ERR_VFIO_PARTIAL_UNMAP … pieceBytes");
    expect(iommu.mapped.size).toBe(2);
  });

  it("a part of many pieces cannot be unmapped: the error names the first four that it touches", () => {
    const { mapping } = mapped([0n, 0n, 0n, 0n, 0n, 0n], "allocate", { pieceBytes: 4096 });

    expectError(
      () => mapping.unmapPart(2048, 20480),
      "ERR_VFIO_PARTIAL_UNMAP … (0+4096, 4096+4096, 8192+4096, 12288+4096) …",
    );
  });

  it("nothing of another mapper's mapping is unmapped, nor of one that has ended", () => {
    const iommu = new FakeIommu();
    const [mapper, other] = [
      new DmaMapper(iommu, { iova: "physical" }),
      new DmaMapper(iommu, { iova: "physical" }),
    ];
    const mapping = mapper.map(memoryAt([0x1000n, 0x2000n]), { pieceBytes: 4096 });

    expectError(() => other.unmapPart(mapping, 0, 4096), "ERR_VFIO_CLOSED");
    expect(iommu.mapped.size).toBe(2);
    mapping.unmap();
    expectError(() => mapping.unmapPart(0, 4096), "ERR_VFIO_CLOSED");
  });

  it("pieces smaller than a page of the memory, or not made of pages, are refused", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "allocate" });

    for (const pieceBytes of [0, 100, 6000]) {
      expectError(() => mapper.map(memoryAt([0n, 0n]), { pieceBytes }), "ERR_VFIO_DMA_ALIGNMENT");
    }
  });
});

describe("given a container that has no group yet", () => {
  it("mappings wait, say so when asked for addresses, and are made when a group joins", () => {
    const { iommu, mapper, mapping } = mapped([0n], "allocate", {}, new FakeIommu({ ready: false }));

    expect([mapping.mapped, mapping.pieces, mapper.replay()]).toEqual([false, [], 0]);
    expectError(() => mapping.iovaOf(0), "ERR_VFIO_MAPPING_PENDING");
    iommu.ready = true;

    expect([mapper.replay(), mapping.mapped, mapping.iovaOf(0)]).toEqual([1, true, 0x1000n]);
  });

  it("a waiting mapping that is unmapped is forgotten, and its memory free", () => {
    const { iommu, mapper } = mapperOn("physical", new FakeIommu({ ready: false }));
    const memory = memoryAt([0n]);
    mapper.map(memory).unmap();
    iommu.groupJoins();

    expect([iommu.calls, memory.holds.size]).toEqual([[], 0]);
  });

  it("when the last group leaves and one comes back, mappings come back at the same addresses", () => {
    const { iommu, mapper } = mapperOn("allocate");
    mapper.map(memoryAt([0n]));
    const second = mapper.map(memoryAt([0n]));
    iommu.lastGroupLeaves();
    expect(iommu.mapped.size).toBe(0);
    iommu.groupJoins();

    expect([...iommu.mapped.keys()]).toEqual([0x1000n, 0x2000n]);
    expect(second.iovaOf(0)).toBe(0x2000n);
    expect(mapper.replay()).toBe(0);
  });

  it("unmapping after the last group left is no error: the kernel has nothing mapped any more", () => {
    const { iommu, memory, mapping } = mapped([0n], "physical");
    iommu.lastGroupLeaves();

    mapping.unmap();

    expect(memory.holds.size).toBe(0);
  });
});

describe("given the same memory mapped twice", () => {
  it("the same way, it is the mapping that is there; another way, it is an overlap", () => {
    const { iommu, mapper } = mapperOn("physical");
    const memory = memoryAt([0x1000n]);
    const first = mapper.map(memory);

    expect(mapper.map(memory)).toBe(first);
    expect(iommu.calls).toHaveLength(1);
    expectError(() => mapper.map(memory, { access: "read-only" }), "ERR_VFIO_DMA_OVERLAP");
  });

  it("in two ways that do not overlap: each is found", () => {
    const { iommu, mapper } = mapperOn("allocate");
    const memory = memoryAt([0x1000n]);
    const first = mapper.map(memory);
    const second = mapper.map(memory, { access: "read-only" });

    expect(mapper.map(memory)).toBe(first);
    expect(mapper.map(memory, { access: "read-only" })).toBe(second);
    expect(iommu.mapped.size).toBe(2);
  });

  it("in two ways that do not overlap: when one is unmapped, the other is found as ever", () => {
    const { iommu, mapper } = mapperOn("allocate");
    const memory = memoryAt([0x1000n]);
    const [first, second] = [mapper.map(memory), mapper.map(memory, { access: "read-only" })];

    first.unmap();

    expect(mapper.map(memory, { access: "read-only" })).toBe(second);
    expect(iommu.mapped.size).toBe(1);
    const again = mapper.map(memory);
    expect([again === first, again.iovaOf(0), iommu.mapped.size]).toEqual([false, 0x1000n, 2]);
  });
});

describe("given two users of one mapping, as each has mapped the same memory", () => {
  it("the first who unmaps it takes nothing away from the second; a third time does nothing", async () => {
    const { iommu, mapper } = mapperOn("allocate");
    const memory = memoryAt([0x1000n]);
    const mappings = [mapper.map(memory), await mapper.mapAsync(memory)];

    mappings[0]?.unmap();
    expect([mappings[1]?.mapped, iommu.mapped.size, memory.holds.size]).toEqual([true, 1, 1]);
    await mappings[1]?.unmapAsync();
    expect([mappings[1]?.mapped, iommu.mapped.size, memory.holds.size]).toEqual([false, 0, 0]);

    mappings[0]?.unmap();
    expect(mapper.map(memory).mapped).toBe(true);
  });

  it("closing their mapper takes it from both", () => {
    const { iommu, mapper } = mapperOn("allocate");
    const memory = memoryAt([0x1000n]);
    mapper.map(memory);
    mapper.map(memory);

    mapper.close();

    expect([iommu.mapped.size, memory.holds.size]).toEqual([0, 0]);
  });
});

describe("given a mapper and an allocator that nobody told anything", () => {
  it("addresses are allocated, and none of them is 0", () => {
    const mapper = new DmaMapper(new FakeIommu());

    expect([mapper.mode, mapper.map(memoryAt([0x5000n])).iovaOf(0)]).toEqual(["allocate", 0x1000n]);
    const ranges = [{ start: 0n, end: 0xffffn }];
    expect(new IovaAllocator({ ranges }).free).toEqual([{ start: 0x1000n, end: 0xffffn, bytes: 0xf000n }]);
    expect(new IovaAllocator({ ranges }).allocate(4096)).toBe(0x1000n);
    expect(new IovaAllocator({ ranges, reserved: [{ start: 0x1000n, end: 0x1fffn }] }).allocate(4096)).toBe(
      0x2000n,
    );
  });
});

describe("given ordinary pages, which the kernel can move", () => {
  it("when one moves between the reading of its address and its pinning, that is an error and all is undone", () => {
    const iommu = new FakeIommu();
    const memory = memoryAt([0x1000n, 0x2000n]);
    let reads = 0;
    const moving = {
      ...memory,
      physicalAddresses: () => (reads++ === 0 ? [0x1000n, 0x2000n] : [0x1000n, 0x9000n]),
    };

    expectError(() => new DmaMapper(iommu, { iova: "physical" }).map(moving), "ERR_VFIO_PAGES_MOVED");
    expect([iommu.mapped.size, memory.holds.size]).toEqual([0, 0]);
  });
});

describe("given a mapper to look at", () => {
  it("toString shows the windows that its allocator keeps free", () => {
    const iova = new IovaAllocator({ reserved: [{ start: 0x10_0000n, end: 0x1f_ffffn }] });

    expect(String(new DmaMapper(new FakeIommu(), { iova }))).toMatch(/0x0*100000 – 0x0*1fffff .* reserved/);
  });

  it("toString draws its IOVA space", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "physical" });
    mapper.map(memoryAt([0x1000n]));

    expect(String(mapper)).toContain("0x001000 – 0x001fff  ####      4 KiB  mapped");
    expect(inspect(mapper)).toBe(String(mapper));
  });
});

describe("given things that go wrong while something is given back", () => {
  it("close() takes every mapping back, also behind one that fails, and then tells of the failure", () => {
    const { iommu, mapper } = mapperOn("physical");
    const memories = [memoryAt([0x1000n]), memoryAt([0x3000n]), memoryAt([0x5000n])];
    for (const memory of memories) mapper.map(memory);
    iommu.unmap(0x1000n, 4096);

    expectError(() => mapper.close(), "ERR_VFIO_UNMAP_INCOMPLETE");

    expect([iommu.mapped.size, ...memories.map(({ holds }) => holds.size)]).toEqual([0, 0, 0, 0]);
    mapper.close();
  });

  it("when mapping fails and undoing it fails too, both are told, and the memory stays held: it may still be mapped", () => {
    const iommu = new FakeIommu({ failAt: 0x9000n, unmapFailsAt: 0x1000n });
    const memory = memoryAt(SCATTERED);

    const error = expectError(
      () => new DmaMapper(iommu, { iova: "physical" }).map(memory),
      "ERR_VFIO_ROLLBACK_FAILED … the IOMMU refuses",
    );
    expect((error.cause as AggregateError).errors.map(({ code }: { code?: string }) => code)).toEqual([
      undefined,
      "EIO",
    ]);
    expect(memory.holds.size).toBe(1);
  });

  it("when mapping fails and undoing it takes back less than was mapped, both are told, and the memory is free", () => {
    const iommu = new FakeIommu({ failAt: 0x9000n, unmapsOnly: 0 });
    const memory = memoryAt(SCATTERED);

    const error = errorOf(() => new DmaMapper(iommu, { iova: "physical" }).map(memory)) as AggregateError;

    expect(error).toMatchObject({ code: "ERR_VFIO_SEVERAL" });
    expect(error.message).toContain("the IOMMU refuses; the kernel unmapped 0 of ");
    expect(error.errors[1]).toMatchObject({ code: "ERR_VFIO_UNMAP_INCOMPLETE" });
    expect(memory.holds.size).toBe(0);
  });

  it("one mapping that cannot be made anew keeps no other from coming back", () => {
    const { iommu, mapper } = mapperOn("physical");
    mapper.map(memoryAt([0x9000n]));
    const good = mapper.map(memoryAt([0x1000n]));
    iommu.lastGroupLeaves();
    iommu.lastAddress = 0x4fffn;

    expectError(() => iommu.groupJoins(), "ERR_VFIO_IOVA_OUT_OF_RANGE");

    expect([good.mapped, ...iommu.mapped.keys()]).toEqual([true, 0x1000n]);
  });
});

describe("given a mapper or mapping used too late, or wrongly", () => {
  it("a closed mapper maps nothing, and can still be looked at", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "physical" });
    mapper.close();

    for (const use of [
      () => mapper.map(memoryAt([0n])),
      () => mapper.alloc({ bytes: 1 }),
      () => mapper.replay(),
    ]) {
      expectError(use, "ERR_VFIO_CLOSED");
    }
    expect(String(mapper)).toContain("IOVA space");
  });

  it("an unmapped mapping has no addresses, and says that it is closed", () => {
    const mapping = new DmaMapper(new FakeIommu(), { iova: "physical" }).map(memoryAt([0x1000n]));
    mapping.unmap();

    expectError(() => mapping.iovaOf(0), "ERR_VFIO_CLOSED");
  });

  it.each(["ERR_VFIO_CLOSED", "EBADF"] as const)(
    "a container that was closed first (%s): everything can still be closed, and the memory is free",
    (code) => {
      const { iommu, mapper, memory } = mapped([0x1000n], "physical");
      iommu.closed = code === "ERR_VFIO_CLOSED";
      iommu.unmap = () => {
        throw Object.assign(new Error("closed"), { code });
      };

      mapper.close();

      expect(memory.holds.size).toBe(0);
      expect(String(mapper)).toContain("IOVA space");
    },
  );

  it.each([
    ["an access that is none", { access: "rw" as never }, "ERR_VFIO_DMA_ACCESS"],
    ["an IOVA that is no bigint", { iova: 4096 as never }, "ERR_VFIO_IOVA"],
    ["an IOVA below 0", { iova: -4096n }, "ERR_VFIO_IOVA"],
    ["pieces that are not made of pages", { pieceBytes: 1000 }, "ERR_VFIO_DMA_ALIGNMENT"],
  ])("%s is refused at once, also while the container has no group", (_what, options, code) => {
    const iommu = new FakeIommu({ ready: false });
    const memory = memoryAt([0x1000n]);

    expectError(() => new DmaMapper(iommu, { iova: "physical" }).map(memory, options), code);
    expect(memory.holds.size).toBe(0);
  });
});

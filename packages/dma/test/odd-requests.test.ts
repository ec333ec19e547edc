import { Fd, kernel } from "@vfio/ioctl-native";
import { expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { DmaMapper, HugepageMemory, IovaAllocator } from "../src/index.js";
import { FakeIommu, memoryAt, mapped } from "./fake-iommu.js";

describe("given options that make no sense", () => {
  it.each([
    ["a mode that there is not", { iova: "allocated" }, "ERR_VFIO_IOVA", "allocated"],
    ["an address for a mode", { iova: 0x1000n }, "ERR_VFIO_IOVA", "4096"],
    ["address bits that no device has", { addressBits: NaN }, "ERR_VFIO_ADDRESS_BITS", "NaN"],
    [
      "them beside an allocator",
      { iova: new IovaAllocator(), addressBits: 200 },
      "ERR_VFIO_ADDRESS_BITS",
      "200",
    ],
  ])("%s: the error says what there is", (_what, options, code, words) => {
    expectError(() => new DmaMapper(new FakeIommu(), options as never), `${code} … ${words}`);
  });

  it.each([
    ["reserved", [{ start: 0x2000n, end: 0x1000n }]],
    ["ranges", [{ start: 0n, end: 1n << 64n }]],
    ["ranges", [{ start: 0, end: 4095 }]],
  ])("%s that are no ranges are refused by an allocator", (name, list) => {
    expectError(() => new IovaAllocator({ [name]: list }), "ERR_VFIO_IOVA … a list of { start, end }");
  });
});

describe("given an allocator with ranges of its own", () => {
  it("IOVAs come from what the IOMMU can map of them, and of nothing else", () => {
    const iommu = new FakeIommu();
    const allocator = new IovaAllocator({ ranges: [{ start: 0xf0_0000n, end: 0x1ff_ffffn }] });
    const mapper = new DmaMapper(iommu, { iova: allocator });

    expect(mapper.map(memoryAt([0n])).iovaOf(0)).toBe(0xf0_0000n);
    expect(allocator.ranges).toEqual([{ start: 0xf0_0000n, end: 0xff_ffffn }]);
  });

  it("with none that the IOMMU can map, that is said", () => {
    const allocator = new IovaAllocator({ ranges: [{ start: 0x100_0000n, end: 0x1ff_ffffn }] });
    const mapper = new DmaMapper(new FakeIommu(), { iova: allocator });

    expectError(() => mapper.map(memoryAt([0n])), "ERR_VFIO_IOVA_EXHAUSTED");
  });
});

describe("given an IOMMU with pages of 64 KiB", () => {
  it("device addresses are aligned to them, also behind a reserved window of 4 KiB", () => {
    const iommu = new FakeIommu();
    const limits = iommu.limits.bind(iommu);
    iommu.limits = () => {
      const told = limits();
      return told === undefined ? undefined : { ...told, smallestPage: 65536 };
    };
    const allocator = new IovaAllocator({ reserved: [{ start: 0n, end: 0xfffn }] });

    const mapping = new DmaMapper(iommu, { iova: allocator }).map(memoryAt(Array(16).fill(0n) as bigint[]));

    expect(mapping.iovaOf(0)).toBe(0x1_0000n);
  });
});

describe("given odd memory", () => {
  it.each([
    ["none at all", { bytes: 0 }, "0 bytes"],
    ["half a page", { bytes: 2048 }, "2048 bytes"],
    ["pages that begin anywhere", { address: 0x7000_0800n }, "0x70000800"],
  ])("%s is refused, with its address and size", (_what, odd, words) => {
    const iommu = new FakeIommu();

    expectError(
      () => new DmaMapper(iommu, { iova: "physical" }).map({ ...memoryAt([0n]), ...odd }, { iova: 0n }),
      `ERR_VFIO_DMA_ALIGNMENT … ${words}`,
    );
    expect(iommu.calls).toEqual([]);
  });

  it("attached with pages of another size, it is refused, and its fd closed", () => {
    using memory = HugepageMemory.allocate({ bytes: 2 << 20, pageBytes: 4096 });
    const file = new Fd(kernel().dup(memory.fd), "a copy");

    const error = expectError(() => HugepageMemory.attach(file, 2 << 20, 2 << 20), "ERR_VFIO_MEMORY_SIZE");
    expect(error.message).toBe("this memory has pages of 4096 bytes, not of 2097152");
    expect(file.closed).toBe(true);
  });

  it("two objects that stand for the same memory are one mapping", () => {
    const mapper = new DmaMapper(new FakeIommu(), { iova: "virtual" });
    const memory = { ...memoryAt([0n]), address: 0x1000n };

    expect(mapper.map({ ...memory })).toBe(mapper.map(memory));
  });
});

describe("given an unmapping that fails half-way", () => {
  it("tried again, it unmaps the rest and complains of nothing", () => {
    const { iommu, mapping } = mapped([0x1000n, 0x5000n], "physical");
    iommu.unmapFailsAt = 0x5000n;
    expectError(() => mapping.unmap(), "EIO");
    expect([mapping.mapped, mapping.pieces.length]).toEqual([true, 1]);
    iommu.unmapFailsAt = undefined;

    mapping.unmap();

    expect(iommu.mapped.size).toBe(0);
  });
});

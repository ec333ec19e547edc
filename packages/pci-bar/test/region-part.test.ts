import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineRegisters, OpenRegion } from "../src/index.js";
import { MemoryDevice } from "./memory-device.js";

leavesNothingBehind();

const SPARSE = [
  { offset: 0x1000, bytes: 0x1000 },
  { offset: 0x3000, bytes: 0x1000 },
];
const BAR = { bytes: 0x4000, mappable: true };

describe("given a BAR of which two areas are mapped, and a part in one of them", () => {
  let device: MemoryDevice;
  let bar: OpenRegion;
  beforeEach(() => {
    device = new MemoryDevice({ 0: { ...BAR, sparse: SPARSE } });
    bar = device.pci.bar(0).open();
  });
  afterEach(() => device[Symbol.dispose]());

  it("its offsets are its own, and each access is the window's", () => {
    const doorbells = bar.part(0x3010, 0x20);

    doorbells.write32(0x4, 0xcafe);
    doorbells.write64(0x8, 7n);
    doorbells.writeBlock(0x10, Uint32Array.of(1, 2));

    expect(doorbells).toMatchObject({ index: 0, bytes: 0x20, windows: [{ offset: 0, bytes: 0x20 }] });
    expect(bar.read32(0x3014)).toBe(0xcafe);
    expect(bar.read64(0x3018)).toBe(7n);
    expect([bar.read32(0x3020), bar.read32(0x3024)]).toEqual([1, 2]);
    expect(doorbells.pollMaskSync(0x4, 0xffff, 0xcafe)).toBe(0xcafe);
  });

  it("what is not in it is refused, though the BAR has it", () => {
    const part = bar.part(0x3010, 0x20);

    for (const access of [
      () => part.read32(0x20),
      () => part.write8(-1, 0),
      () => part.readBlock(0x1c, new Uint32Array(2)),
    ])
      expectError(access, "ERR_VFIO_REGISTER_OFFSET");
  });

  it("a register table and a part of its own lie on it", () => {
    const part = bar.part(0x1000, 0x100);

    defineRegisters({ tail: { offset: 8, width: 64 } })
      .on(part)
      .tail.writeRaw(3n);
    part.part(0x10, 8).write32(0, 4);

    expect([bar.read64(0x1008), bar.read32(0x1010)]).toEqual([3n, 4]);
  });

  it.each([
    ["in none", 0x2000, 8],
    ["in two, and between them", 0x1ff8, 0x1010],
  ])("a part that lies %s is refused, with what is mapped", (_, offset, bytes) => {
    expectError(
      () => bar.part(offset, bytes),
      "ERR_VFIO_REGION_HOLE … the mapped parts: [0x1000, 0x1fff], [0x3000, 0x3fff]",
    );
  });

  it.each([
    [0x1004, 8],
    [0x4000, 8],
    [0x1000, 0],
    [-8, 8],
    [0x3ff8, 16],
    [NaN, 8],
  ])("at %d, %d bytes: it is no part of the BAR", (offset, bytes) => {
    expectError(() => bar.part(offset, bytes), "ERR_VFIO_REGISTER_OFFSET");
  });
});

describe("given a part of a region", () => {
  it("when the region is closed, then it refuses, and there is no other", () => {
    using device = new MemoryDevice({ 0: BAR });
    const bar = device.pci.bar(0).open();
    const part = bar.part(0x100, 0x10);

    bar.close();

    for (const access of [
      () => part.read32(0),
      () => part.write32(0, 1),
      () => part.readBlock(0, new Uint32Array(1)),
      () => part.part(0, 8),
      () => bar.part(0, 8),
    ])
      expectError(access, "ERR_VFIO_CLOSED");
  });

  it("when it is closed itself, then the region goes on", () => {
    using device = new MemoryDevice({ 0: BAR });
    using bar = device.pci.bar(0).open();
    bar.part(0x100, 0x10).close();

    bar.write32(0x100, 5);

    expect(bar.read32(0x100)).toBe(5);
    expectError(() => bar.part(0x100, 8).share(), "ERR_VFIO_REGION_NOT_SHARED");
  });

  it("what is reached by pread and pwrite has none", () => {
    using device = new MemoryDevice({ 2: { bytes: 0x40, io: true } });
    using ports = device.pci.bar(2).open();

    expectError(() => ports.part(0, 8), "ERR_VFIO_REGION_HOLE … the mapped parts: none");
  });

  it("in plain memory, it is that memory", () => {
    const memory = new Uint8Array(64);
    using region = OpenRegion.inMemory(memory);
    const part = region.part(16, 16);

    part.write16(2, 0x1234);
    part.part(8, 8).write8(0, 9);

    expect([...memory.subarray(18, 25)]).toEqual([0x34, 0x12, 0, 0, 0, 0, 9]);
    region.close();
    expectError(() => part.read8(0), "ERR_VFIO_CLOSED");
  });
});

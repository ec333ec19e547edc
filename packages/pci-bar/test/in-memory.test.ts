import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { defineRegisters, OpenRegion } from "../src/index.js";

leavesNothingBehind();

const BYTES = 4096;

function mapped(): OpenRegion {
  using file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
  return OpenRegion.inMemory(Mapping.map({ file, bytes: BYTES, name: "memory" }));
}

describe.each([
  ["bytes", () => OpenRegion.inMemory(new Uint8Array(BYTES))],
  ["a mapping", mapped],
])("given a region in %s", (_, open) => {
  it("every width is there, little-endian, and reads what was written", () => {
    using region = open();
    region.write64(8, 0x0123_4567_89ab_cdefn);

    expect(region.read64(8)).toBe(0x0123_4567_89ab_cdefn);
    expect(region.read32(8)).toBe(0x89ab_cdef);
    expect(region.read16(12)).toBe(0x4567);
    expect(region.read8(15)).toBe(0x01);
    region.write32(0, -1);
    expect(region.read32(0)).toBe(0xffff_ffff);
  });

  it("blocks, FIFOs, halves and polling are there", async () => {
    using region = open();
    const wide = new BigUint64Array(2);
    const halves = new Uint32Array(2);

    region.writeBlock(0x10, BigUint64Array.of(1n, 2n ** 63n));
    region.readBlock(0x10, wide);
    region.writeHalves(0x20, 3, 0xffff_ffff);
    region.readHalves(0x20, halves);
    region.writeFifo(0x30, Uint16Array.of(4, 5));

    expect([...wide]).toEqual([1n, 2n ** 63n]);
    expect([...halves]).toEqual([3, 0xffff_ffff]);
    expect(region.read16(0x30)).toBe(5);
    expect(region.pollMaskSync(0x18, 1n << 63n, 1n << 63n)).toBe(2n ** 63n);
    expect(await region.pollMask(0x30, 0xf, 5)).toBe(5);
    expectError(() => region.pollMaskSync(0x30, 1, 0, { timeoutMs: 0 }), "ERR_VFIO_TIMEOUT");
  });

  it("a register table lies on it, 64 bits included, and is dumped", () => {
    using region = open();
    const table = defineRegisters({
      control: { offset: 0, fields: { enable: { bit: 0 }, mode: { bits: [2, 1], values: { fast: 2 } } } },
      queue: { offset: 8, width: 64, fields: { address: { bits: [63, 12] } } },
    });
    const regs = table.on(region);

    regs.control.modify({ enable: true, mode: "fast" });
    regs.queue.write({ address: 0x12345 });

    expect(region.read32(0)).toBe(5);
    expect(region.read64(8)).toBe(0x1234_5000n);
    expect(table.dump(region).map(({ name, raw }) => [name, raw])).toEqual([
      ["control", 5],
      ["queue", 0x1234_5000n],
    ]);
  });

  it("what would be wrong on a device is wrong here", () => {
    using region = open();
    for (const access of [
      () => region.read32(2),
      () => region.read8(BYTES),
      () => region.write64(BYTES - 4, 0n),
      () => region.readHalves(4, new Uint32Array(2)),
    ])
      expectError(access, "ERR_VFIO_REGISTER_OFFSET");
    for (const access of [
      () => region.write8(0, 256),
      () => region.write64(0, 2n ** 64n),
      () => region.write64(0, 1 as never),
      () => region.readHalves(0, new Uint32Array(1)),
      () => region.writeHalves(0, 2 ** 32, 0),
    ])
      expectError(access, "ERR_VFIO_REGISTER_VALUE");
  });

  it("when it is closed, then nothing is reached", () => {
    const region = open();
    region.close();
    for (const access of [() => region.read32(0), () => region.write64(0, 1n), () => region.share()])
      expectError(access, "ERR_VFIO_CLOSED");
  });
});

describe("given memory that is none", () => {
  it.each([undefined, 7, new ArrayBuffer(8), new Uint16Array(4), {}])("%s is refused", (memory) => {
    expectError(() => OpenRegion.inMemory(memory as never), "ERR_VFIO_ARGUMENT");
  });

  it("bytes stay with their thread", () => {
    using region = OpenRegion.inMemory(new Uint8Array(8), "a test's registers");
    expectError(
      () => region.share(),
      "ERR_VFIO_REGION_NOT_SHARED … a test's registers cannot be reached by other threads",
    );
  });
});

import { createMemoryFile, errnoOf, Mapping, realKernel, type RegisterFunctions } from "@vfio/ioctl-native";
import { errorOf, expectError, leavesNothingBehind } from "@vfio/test-support";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { defineRegisters, OpenRegion } from "../src/index.js";
import { MemoryDevice, type MemoryRegion } from "./memory-device.js";

leavesNothingBehind();

const BYTES = 0x4000;
/** The table's page is the third of four. */
const TABLE = { bar: 0, offset: 0x2000, vectors: 65 };
const MSIX_BAR: MemoryRegion = { bytes: BYTES, mappable: true, msixMappable: true };
const ALL = { bytes: BYTES, mappable: true };

/** A region, and what is in it, past the library. */
interface Way extends Disposable {
  readonly region: OpenRegion;
  contents(): Uint8Array;
}

function ofDevice(bar: MemoryRegion, reach: "map" | "open", options = {}): Way {
  const device = new MemoryDevice({ 0: bar }, options);
  return {
    region: device.pci.bar(0)[reach](),
    contents: () => device.contents(0),
    [Symbol.dispose]: () => device[Symbol.dispose](),
  };
}

function inMemory(memory: Uint8Array | Mapping): Way {
  const region = OpenRegion.inMemory(memory);
  return {
    region,
    contents: () => new Uint8Array(memory.buffer.slice()),
    [Symbol.dispose]: () => region.close(),
  };
}

function newMapping(): Mapping {
  using file = createMemoryFile({ bytes: BYTES, pageBytes: 4096 });
  return Mapping.map({ file, bytes: BYTES, name: "memory" });
}

/** The ways to reach registers that have 64-bit accesses, too. */
const WIDE_WAYS: [string, () => Way][] = [
  ["mapped in one piece", () => ofDevice(ALL, "map")],
  ["in plain memory", () => inMemory(new Uint8Array(BYTES))],
  ["in a mapping of memory", () => inMemory(newMapping())],
];
const WAYS: typeof WIDE_WAYS = [
  ...WIDE_WAYS,
  ["by pread and pwrite", () => ofDevice({ bytes: BYTES }, "open")],
  [
    "mapped around the MSI-X table, the rest by pread and pwrite",
    () => ofDevice(MSIX_BAR, "open", { msix: TABLE }),
  ],
  [
    "mapped in sparse areas, the rest by pread and pwrite",
    () => ofDevice({ ...ALL, sparse: [0x1000, 0x3000].map((offset) => ({ offset, bytes: 0x1000 })) }, "open"),
  ],
];

const WIDTHS = [1, 2, 4] as const;
const ARRAYS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array } as const;
type Width = (typeof WIDTHS)[number];
const bits = (width: Width) => (width * 8) as 8 | 16 | 32;
const read = (region: RegisterFunctions, width: Width, offset: number) =>
  region[`read${bits(width)}`](offset);
const write = (region: RegisterFunctions, width: Width, offset: number, value: number) =>
  region[`write${bits(width)}`](offset, value);

/** The naive model: bytes. */
function modelRead(model: Uint8Array, width: Width, offset: number): number {
  const view = new DataView(model.buffer);
  return width === 4
    ? view.getUint32(offset, true)
    : width === 2
      ? view.getUint16(offset, true)
      : view.getUint8(offset);
}

const step = fc.record({
  kind: fc.constantFrom("read", "write", "readBlock", "writeBlock"),
  width: fc.constantFrom(...WIDTHS),
  // Half of them near the edges of the windows.
  place: fc.oneof(
    fc.nat({ max: BYTES - 1 }),
    fc.integer({ min: 0xff0, max: 0x1010 }),
    fc.integer({ min: 0x1f00, max: 0x3010 }),
  ),
  count: fc.integer({ min: 1, max: 400 }),
  value: fc.nat({ max: 0xffffffff }),
});

let way: Way;
let region: OpenRegion;

function given(open: () => Way): void {
  beforeEach(() => {
    way = open();
    ({ region } = way);
  });
  afterEach(() => way[Symbol.dispose]());
}

describe.each(WAYS)("given a region %s", (_, open) => {
  given(open);

  it("any accesses leave the bytes that a naive model has, and read what it has", () => {
    const model = new Uint8Array(BYTES);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        for (const { kind, width, place, count, value } of steps) {
          const offset = place - (place % width);
          const block = new ARRAYS[width](Math.min(count, (BYTES - offset) / width));
          if (kind === "read") expect(read(region, width, offset)).toBe(modelRead(model, width, offset));
          if (kind === "write") {
            const kept = new ARRAYS[width]([value]);
            write(region, width, offset, kept[0]!);
            model.set(new Uint8Array(kept.buffer), offset);
          }
          if (kind === "readBlock") {
            region.readBlock(offset, block);
            expect(new Uint8Array(block.buffer)).toEqual(model.slice(offset, offset + block.byteLength));
          }
          if (kind === "writeBlock") {
            block.forEach((_each, index) => (block[index] = value + index));
            region.writeBlock(offset, block);
            model.set(new Uint8Array(block.buffer), offset);
          }
        }
        expect(way.contents()).toEqual(model);
      }),
      { numRuns: 30 },
    );
  });

  it("a FIFO is one register, read or written once for each element", () => {
    region.writeFifo(0x2010, Uint32Array.of(1, 2, 3));
    const got = new Uint32Array(3);
    region.readFifo(0x2010, got);

    expect([...got]).toEqual([3, 3, 3]);
    expect(region.read32(0x2014)).toBe(0);
  });

  it("a write is flushed by reading the same register, or another one", () => {
    region.write32(0x40, 7);

    expect(region.writeFlush32(0x20, 5)).toBe(5);
    expect(region.writeFlush16(0x20, 6, 0x40)).toBe(7);
    expect(region.writeFlush8(0x20, 9)).toBe(9);
  });

  it("what is outside or not aligned is a RangeError with offset, width and size, and changes nothing", () => {
    const accesses = [BYTES, -4, 2, NaN, 0.5, 2 ** 53, Infinity].flatMap((offset) => [
      () => region.read32(offset),
      () => region.write32(offset, 1),
      () => region.readBlock(offset, new Uint32Array(1)),
      () => region.writeBlock(offset, Uint32Array.of(1)),
      () => region.readFifo(offset, new Uint32Array(1)),
      () => region.writeFifo(offset, Uint32Array.of(1)),
      () => region.pollMaskSync(offset, 1, 1),
    ]);
    accesses.push(() => region.writeBlock(BYTES - 4, Uint32Array.of(1, 1)));

    const expected = `ERR_VFIO_REGISTER_OFFSET … ${region.name} (16384 bytes)`;
    for (const access of accesses) expect(expectError(access, expected)).toBeInstanceOf(RangeError);
    expect(way.contents().every((byte) => byte === 0)).toBe(true);
  });

  it("values that do not fit, and arrays that are not of registers, are refused", () => {
    for (const access of [
      () => region.write8(0x2000, 256),
      () => region.write32(0x2000, 1.5),
      () => region.write32(0x2000, "1" as never),
      () => region.readBlock(0x2000, new Float32Array(2) as never),
      () => region.writeBlock(0x2000, [1, 2] as never),
      () => region.readFifo(0x2000, {} as never),
    ])
      expectError(access, "ERR_VFIO_REGISTER_VALUE");
    region.write32(0x2000, -1);
    expect(region.read32(0x2000)).toBe(0xffffffff);
  });

  it("a value of the wrong type is refused in the same words, however the register is reached", () => {
    for (const value of [5n, "1", undefined, null, 2 ** 32, {}, []]) {
      const [mapped, unmapped] = [0, 0x2000].map(
        (offset) => errorOf(() => region.write32(offset, value as never)).message,
      );
      expect(unmapped).toBe(mapped);
    }
  });

  it("after close every use is an error, also of functions taken before; closing twice does nothing", () => {
    const { read32, write8 } = region;
    region.close();
    region.close();

    for (const use of [
      () => read32(0),
      () => write8(0x2000, 1),
      () => region.readBlock(0, new Uint8Array(1)),
      () => region.writeFifo(0x2000, new Uint8Array(1)),
      () => region.pollMaskSync(0, 1, 0),
      () => region.share(),
    ])
      expectError(use, "ERR_VFIO_CLOSED");
  });
});

describe.each(WIDE_WAYS)("given 64-bit registers %s", (_, open) => {
  given(open);

  it("they are read and written by bigints, little-endian, alone and as a block", () => {
    const got = new BigUint64Array(2);

    region.write64(8, 0x0123_4567_89ab_cdefn);
    expect(region.read64(8)).toBe(0x0123_4567_89ab_cdefn);
    expect([region.read32(8), region.read16(12), region.read8(15)]).toEqual([0x89ab_cdef, 0x4567, 0x01]);

    region.writeBlock(0, BigUint64Array.of(1n, 2n ** 63n));
    region.readBlock(0, got);
    expect([...got]).toEqual([1n, 2n ** 63n]);
    expect(region.writeFlush64(8, 5n)).toBe(5n);
  });

  it("both halves go in one access without a bigint, the lower half first", () => {
    const halves = new Uint32Array(2);

    region.writeHalves(8, 0x89abcdef, -1);
    region.readHalves(8, halves);

    expect(region.read64(8)).toBe(0xffffffff89abcdefn);
    expect([...halves]).toEqual([0x89abcdef, 0xffffffff]);
  });

  it("what does not fit is refused, and nothing is written", () => {
    for (const access of [
      () => region.readHalves(4, new Uint32Array(2)),
      () => region.write64(BYTES - 4, 0n),
    ])
      expectError(access, "ERR_VFIO_REGISTER_OFFSET");
    for (const wrong of [
      () => region.readHalves(8, new Uint32Array(1)),
      () => region.readHalves(8, new Uint8Array(8) as never),
      () => region.writeHalves(8, 2 ** 32, 0),
      () => region.writeHalves(8, 0, 0.5),
      () => region.write64(8, 2n ** 64n),
      () => region.write64(8, 1 as never),
    ])
      expectError(wrong, "ERR_VFIO_REGISTER_VALUE");
    expect(way.contents().every((byte) => byte === 0)).toBe(true);
  });

  it("a register table lies on them, and is dumped", () => {
    const table = defineRegisters({
      control: { offset: 0, fields: { enable: { bit: 0 }, mode: { bits: [2, 1], values: { fast: 2 } } } },
      queue: { offset: 8, width: 64, fields: { address: { bits: [63, 12] } } },
    });
    const regs = table.on(region);

    regs.control.modify({ enable: true, mode: "fast" });
    regs.queue.write({ address: 0x12345 });

    expect([region.read32(0), region.read64(8)]).toEqual([5, 0x1234_5000n]);
    expect(table.dump(region)).toMatchObject([
      { name: "control", raw: 5 },
      { name: "queue", raw: 0x1234_5000n },
    ]);
  });
});

describe("given a region without 64-bit registers", () => {
  it("by pread and pwrite there are none: the kernel would make two of one", () => {
    using device = new MemoryDevice({ 0: { bytes: BYTES } });
    const region = device.pci.bar(0).open();
    for (const access of [
      () => region.read64(0),
      () => region.write64(0, 1n),
      () => region.readHalves(0, new Uint32Array(2)),
      () => region.writeHalves(0, 1, 1),
      () => region.readBlock(0, new BigUint64Array(1)),
      () => region.writeBlock(0, new BigUint64Array(1)),
      () => region.pollMaskSync(0, 1n, 1n),
    ])
      expectError(access, "ERR_VFIO_REGISTER_WIDTH … BAR0 of 0000:00:1f.0 has no 64-bit access … 32-bit");
    expect(device.contents(0).every((byte) => byte === 0)).toBe(true);
  });
});

describe("given a BAR with the MSI-X table in it", () => {
  it("it is not mapped, unless around the table: what is left out is named, and nothing is half done", () => {
    using device = new MemoryDevice({ 0: MSIX_BAR }, { msix: TABLE });
    const bar = device.pci.bar(0);

    expectError(() => bar.map(), "ERR_VFIO_BAR_NOT_MAPPABLE");
    expect(device.holds.size).toBe(0);
    const region = bar.map({ msixTable: "around" });

    expect(device.holds.size).toBe(1);
    expect(region.windows).toMatchObject([
      { offset: 0, bytes: 0x2000 },
      { offset: 0x3000, bytes: 0x1000 },
    ]);
    for (const access of [
      () => region.read32(0x2000),
      () => region.write8(0x2fff, 1),
      () => region.read64(0x2008),
      () => region.readHalves(0x2008, new Uint32Array(2)),
      () => region.writeFifo(0x2000, Uint32Array.of(1)),
      () => region.writeBlock(0x1ff8, Uint32Array.of(1, 1, 1)),
      () => region.pollMaskSync(0x2000, 1, 1),
    ])
      expect(
        expectError(access, "ERR_VFIO_REGION_HOLE … the mapped parts: [0x0, 0x1fff], [0x3000, 0x3fff]"),
      ).toBeInstanceOf(RangeError);
    region.write32(0x1ffc, 1);
    region.write32(0x3000, 2);
    expect([...device.contents(0).entries()].filter(([, byte]) => byte !== 0)).toEqual([
      [0x1ffc, 1],
      [0x3000, 2],
    ]);
    region.close();
    expect(device.holds.size).toBe(0);
  });

  it("all of it is mapped where the kernel offers that, and only there", () => {
    using willing = new MemoryDevice({ 0: MSIX_BAR }, { msix: TABLE });
    expect(willing.pci.bar(0).map({ msixTable: "include" }).windows).toMatchObject([
      { offset: 0, bytes: BYTES },
    ]);
    expect(willing.pci.mapBars()).toEqual([]);
    expect(willing.pci.mapBars({ msixTable: "around" })).toHaveLength(1);
  });

  it("a kernel that does not offer the table is believed", () => {
    using device = new MemoryDevice({ 0: { ...MSIX_BAR, msixMappable: false } }, { msix: TABLE });

    expectError(
      () => device.pci.bar(0).map({ msixTable: "include" }),
      "ERR_VFIO_BAR_NOT_MAPPABLE … which this kernel does not offer to map",
    );
  });

  it("a BAR of one page, all the table's, cannot be mapped around it, but opened", () => {
    using device = new MemoryDevice(
      { 2: { ...MSIX_BAR, bytes: 4096 } },
      { msix: { ...TABLE, bar: 2, offset: 0 } },
    );

    expectError(
      () => device.pci.bar(2).map({ msixTable: "around" }),
      "… BAR2 of 0000:00:1f.0: it consists of the MSI-X table's pages alone",
    );

    expect(device.pci.bar(2).open().windows).toEqual([]);
  });
});

describe("given regions that are no BARs, or not there", () => {
  it("a ROM is read, and never written", () => {
    using device = new MemoryDevice({ 6: { bytes: 0x800, writable: false } });
    device.poke(6, 0, Uint8Array.of(0x55, 0xaa));
    const rom = device.pci.rom!.open();

    expect(rom.read16(0)).toBe(0xaa55);
    for (const write of [
      () => rom.write8(0, 1),
      () => rom.write32(0, 1),
      () => rom.writeBlock(0, Uint8Array.of(1)),
      () => rom.writeFifo(0, Uint8Array.of(1)),
    ])
      expectError(write, "ERR_VFIO_READ_ONLY … the ROM of 0000:00:1f.0 can only be read");
  });

  it("a BAR that is mapped read-only refuses writes in the same words", () => {
    using device = new MemoryDevice({ 0: { ...ALL, writable: false } });
    const region = device.pci.bar(0).map();

    expect(region.read32(0)).toBe(0);
    for (const write of [
      () => region.write32(0, 1),
      () => region.writeBlock(0, Uint8Array.of(1)),
      () => region.writeHalves(0, 1, 1),
    ])
      expectError(write, "ERR_VFIO_READ_ONLY");
  });

  it("no ROM and no VGA are normal; a BAR of size 0 is an error that names it", () => {
    using device = new MemoryDevice({ 1: { bytes: 0 } });

    expect([device.pci.rom, device.pci.vga, device.pci.bars]).toEqual([undefined, undefined, []]);
    for (const index of [0, 1]) {
      const bar = device.pci.bar(index);
      const problem = `BAR${index} of 0000:00:1f.0: the device does not have it`;
      expectError(() => bar.open(), `ERR_VFIO_REGION_ABSENT … ${problem}`);
      expectError(() => bar.map(), `ERR_VFIO_BAR_NOT_MAPPABLE … ${problem}`);
    }
    expectError(() => device.pci.region(9), "EINVAL", { syscall: "ioctl" });
    expectError(() => device.pci.region(-1), "ERR_VFIO_STRUCT_VALUE");
  });

  it("VGA that is there is opened; the config space is a region, too", () => {
    using device = new MemoryDevice({ 8: { bytes: 0xc0000 } });
    const vga = device.pci.vga!.open();
    vga.write8(0x3c2, 0x67);

    expect(vga.read8(0x3c2)).toBe(0x67);
    expect(device.pci.region(7).open().read16(0x04)).toBe(0x03);
  });
});

describe("given a device whose memory or I/O space is switched off", () => {
  it("its BARs are not opened: each error names the switch", () => {
    using device = new MemoryDevice({
      0: ALL,
      1: { bytes: 64, io: true },
      6: { bytes: 64, writable: false },
    });
    device.command(0);

    for (const open of [
      () => device.pci.bar(0).map(),
      () => device.pci.bar(0).open(),
      () => device.pci.rom!.open(),
    ])
      expectError(open, "ERR_VFIO_MEMORY_SPACE_DISABLED … pci.memorySpace = true");
    expectError(() => device.pci.bar(1).open(), "ERR_VFIO_IO_SPACE_DISABLED", {
      hint: "Switch it on: pci.ioSpace = true",
    });
    expect(device.pci.region(7).open().read16(4)).toBe(0);
    device.pci.ioSpace = true;
    expect(device.pci.bar(1).open().bytes).toBe(64);
    expect(device.holds.size).toBe(2);
  });

  it("it is not switched off while something is mapped; by pread and pwrite nothing can go wrong", () => {
    using device = new MemoryDevice({ 0: ALL, 1: { bytes: 64 } });
    device.pci.bar(1).open();
    const mapped = device.pci.bar(0).map();

    for (const switchOff of [
      () => (device.pci.memorySpace = false),
      () => device.pci.config.write8(0x04, 0),
      () => device.pci.config.write16(0x04, 1),
      () => device.pci.config.write32(0x04, 0),
    ]) {
      expectError(switchOff, "ERR_VFIO_MEMORY_SPACE_IN_USE … still mapped: BAR0 of 0000:00:1f.0");
      expect(device.pci.memorySpace).toBe(true);
    }
    device.pci.busMaster = true;
    device.pci.config.write8(0x0c, 0);
    const config = device.pci.region(7).open();
    expectError(() => config.write16(0x04, 0), "ERR_VFIO_READ_ONLY");

    mapped.close();
    device.pci.memorySpace = false;
    expect(device.pci.memorySpace).toBe(false);
  });
});

describe("given a BAR of which the kernel offers no whole page to map", () => {
  it.each([
    ["", undefined],
    [", with the MSI-X table", TABLE],
  ])("that is its obstacle%s, mapBars leaves it out, and open reaches it", (_, msix) => {
    const sparse = [{ offset: 0x1100, bytes: 0x200 }];
    using device = new MemoryDevice({ 0: { ...MSIX_BAR, sparse } }, msix === undefined ? {} : { msix });
    const bar = device.pci.bar(0);

    for (const msixTable of ["refuse", "around", "include"] as const) {
      expect(bar.obstacleTo({ msixTable })).toBe("the kernel offers mmap of no whole page of it");
      expectError(
        () => bar.map({ msixTable }),
        "ERR_VFIO_BAR_NOT_MAPPABLE … cannot map BAR0 of 0000:00:1f.0: the kernel offers mmap of no whole",
      );
    }
    expect(device.pci.mapBars()).toEqual([]);
    expect(device.holds.size).toBe(0);
    const region = bar.open();
    region.write32(0x1100, 5);
    expect(region.read32(0x1100)).toBe(5);
  });
});

describe("given a system call that fails", () => {
  it("a window that cannot be mapped takes the ones before it with it", () => {
    let calls = 0;
    const map: ReturnType<typeof realKernel>["map"] = (...arguments_) =>
      ++calls === 2 ? errnoOf("ENOMEM") : realKernel().map(...arguments_);
    using device = new MemoryDevice({ 0: MSIX_BAR }, { msix: TABLE, kernel: { map } });

    expectError(() => device.pci.bar(0).map({ msixTable: "around" }), "ENOMEM", { syscall: "mmap" });

    expect(calls).toBe(2);
    expect(device.holds.size).toBe(0);
  });

  it("mapBars unmaps all that it mapped, also when unmapping one fails", () => {
    const unmapped: number[] = [];
    let calls = 0;
    const real = realKernel();
    using device = new MemoryDevice(
      { 0: ALL, 1: ALL, 2: ALL },
      {
        kernel: {
          map: (...arguments_) => (++calls === 3 ? errnoOf("ENOMEM") : real.map(...arguments_)),
          unmap: (handle) => {
            unmapped.push(real.unmap(handle));
            return unmapped.length === 1 ? errnoOf("EINVAL") : 0;
          },
        },
      },
    );

    const error = errorOf(() => device.pci.mapBars());

    expect(error).toMatchObject({ code: "ENOMEM", suppressed: [{ code: "EINVAL" }] });
    expect(error.message).toMatch(/: ENOMEM, .*; and undoing the earlier steps failed: .*: EINVAL, /);
    expect(unmapped).toEqual([0, 0]);
    expect(device.holds.size).toBe(0);
  });

  it("a device that is gone is an error of each access by pread and pwrite", () => {
    let gone = false;
    const real = realKernel();
    using device = new MemoryDevice(
      { 0: { bytes: BYTES } },
      {
        kernel: {
          pread: (...arguments_) => (gone ? errnoOf("ENODEV") : real.pread(...arguments_)),
          pwrite: (...arguments_) => (gone ? 0 : real.pwrite(...arguments_)),
        },
      },
    );
    const region = device.pci.bar(0).open();
    gone = true;

    expectError(() => region.read32(0x10), "ENODEV … BAR0 of 0000:00:1f.0", { syscall: "pread" });
    expectError(() => region.write32(0x10, 1), "ERR_VFIO_SHORT_IO");
    expectError(() => region.pollMaskSync(0x10, 1, 1), "ENODEV");
  });
});

describe("given memory that is none, or no other thread's", () => {
  it.each([undefined, 7, new ArrayBuffer(8), new Uint16Array(4), {}])("%s is refused", (memory) => {
    expectError(() => OpenRegion.inMemory(memory as never), "ERR_VFIO_ARGUMENT");
  });

  it("bytes stay with their thread", () => {
    using bytes = OpenRegion.inMemory(new Uint8Array(8), "a test's registers");
    expectError(
      () => bytes.share(),
      "ERR_VFIO_REGION_NOT_SHARED … a test's registers cannot be reached by other threads",
    );
  });
});

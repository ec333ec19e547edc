import { expectError, expectRejection, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { defineRegisters, formatDump, OpenRegion, type PciRegion } from "../../src/index.js";
import { E1000E, EDU, NVME, openDevice, TEST_DEVICE } from "./machine.js";
import { REGISTERS } from "./nvme.js";

leavesNothingBehind();

/** A region that could be mapped, by `pread` and `pwrite` all the same. */
function byFile(opened: ReturnType<typeof openDevice>, { index, name, bytes, info }: PciRegion): OpenRegion {
  const file = { device: opened.device, offset: info.fileOffset };
  return new OpenRegion({ index, name, bytes, writable: info.writable, windows: [], file });
}

const EDU_REGISTERS = defineRegisters({
  identification: {
    offset: 0x00,
    access: "ro",
    fields: {
      major: { bits: [31, 24] },
      minor: { bits: [23, 16] },
      magic: { bits: [7, 0], values: { edu: 0xed } },
    },
  },
  liveness: { offset: 0x04 },
  factorial: { offset: 0x08 },
  status: { offset: 0x20, fields: { computing: { bit: 0, access: "ro" }, raiseInterrupt: { bit: 7 } } },
  dmaSource: { offset: 0x80, width: 64 },
});

describe("given the edu device", () => {
  it.each(["mapped", "by pread and pwrite"])("its registers are the same, %s, also by name", async (way) => {
    using edu = openDevice(EDU);
    const bar = edu.pci.bar(0);
    using region = way === "mapped" ? bar.map() : byFile(edu, bar);
    const { identification, liveness } = defineRegisters({
      identification: { offset: 0, access: "ro" },
      liveness: { offset: 4 },
    }).on(region);

    liveness.write(0x12345678);

    expect(region.bytes).toBe(1 << 20);
    expect(identification.read()).toBe(0x010000ed);
    expect(liveness.readRaw()).toBe(0xedcba987);
    expect(region.writeFlush32(0x04, 5)).toBe(~5 >>> 0);
    region.write32(0x08, 10);
    await region.pollMask(0x20, 0x01, 0, { timeoutMs: 20_000 });
    expect(region.read32(0x08)).toBe(3_628_800);
  });

  it("a table of them has fields by name, a dump, and 64 bits", () => {
    using edu = openDevice(EDU);
    const bar = edu.pci.bar(0).map();
    const regs = EDU_REGISTERS.on(bar);

    regs.status.modify({ raiseInterrupt: true });
    regs.dmaSource.writeRaw(0x1_2345_6789n);

    expect(regs.identification.read()).toEqual({ major: 1, minor: 0, magic: "edu" });
    expect(regs.status.read()).toEqual({ computing: false, raiseInterrupt: true });
    expect(bar.read64(0x80)).toBe(0x1_2345_6789n);
    const halves = new Uint32Array(2);
    bar.readHalves(0x80, halves);
    expect([...halves]).toEqual([0x2345_6789, 1]);
    bar.writeHalves(0x80, 7, 9);
    expect(bar.read64(0x80)).toBe(0x9_0000_0007n);
    const text = formatDump(EDU_REGISTERS.dump(bar));
    expect(text).toContain("identification  0x010000ed magic=edu minor=0x0 major=0x1");
    expect(text).toContain("dmaSource       0x0000000900000007");
    regs.status.modify({ raiseInterrupt: false });
  });

  it("a register that never becomes as wanted is an error with what it is", async () => {
    using edu = openDevice(EDU);
    const bar = edu.pci.bar(0).map();

    await expectRejection(
      bar.pollMask(0x00, 0xff, 0xee, { timeoutMs: 5 }),
      "ERR_VFIO_TIMEOUT … it is 0x10000ed",
    );
  });

  it("its memory space stays on while a BAR is mapped: the kernel would make the next access a SIGBUS", () => {
    using edu = openDevice(EDU);
    const bar = edu.pci.bar(0).map();

    for (const switchOff of [() => (edu.pci.memorySpace = false), () => edu.pci.config.write16(0x04, 0)])
      expectError(switchOff, "ERR_VFIO_MEMORY_SPACE_IN_USE");
    expect(bar.read32(0)).toBe(0x010000ed);

    bar.close();
    using file = byFile(edu, edu.pci.bar(0));
    edu.pci.memorySpace = false;
    expectError(() => file.read32(0), "EIO", { syscall: "pread" });
    expectError(() => file.write32(4, 1), "EIO", { syscall: "pwrite" });
    edu.pci.memorySpace = true;
    expect(file.read32(0)).toBe(0x010000ed);
  });

  it("it has no ROM and is no VGA device: both are normal", () => {
    using edu = openDevice(EDU);

    expect([edu.pci.rom, edu.pci.vga]).toEqual([undefined, undefined]);
    expectError(() => edu.pci.region(6).open(), "ERR_VFIO_REGION_ABSENT");
    expect(edu.pci.region(7).open().read32(0)).toBe(0x11e8_1234);
  });
});

const MSIX_TABLE = defineRegisters({ entries: { offset: 0x2000, access: "ro", count: 65, stride: 16 } });

describe("given the nvme device, whose BAR0 has registers and the MSI-X table", () => {
  it("around the table it is mapped: registers answer, the table's page is out of reach", () => {
    using nvme = openDevice(NVME);
    const region = nvme.pci.bar(0).map({ msixTable: "around" });

    expect(region.windows).toMatchObject([
      { offset: 0, bytes: 0x2000 },
      { offset: 0x3000, bytes: 0x1000 },
    ]);
    expect(region.read32(0x08)).toBe(0x0001_0400);
    expectError(
      () => region.read32(0x2000),
      `ERR_VFIO_REGION_HOLE … BAR0 of ${NVME} is not mapped; the mapped parts: [0x0, 0x1fff], [0x3000, 0x3fff]`,
    );
    expect(nvme.pci.mapBars({ msixTable: "around" })).toHaveLength(1);
  });

  it("opened, all of it is in reach, but of the table the kernel shows only ones", () => {
    using nvme = openDevice(NVME);
    using region = nvme.pci.bar(0).open();
    const regs = REGISTERS.on(region);

    expect(regs.version.read()).toEqual({ major: 1, minor: 4 });
    expect(regs.capabilities.read()).toMatchObject({ queueEntries: 0x7ff, doorbellStride: 0 });
    expect([...MSIX_TABLE.on(region).entries].every((entry) => entry.read() === 0xffffffff)).toBe(true);
    region.write32(0x2000, 0);
    expect(region.read32(0x2000)).toBe(0xffffffff);
    expect(region.read32(0x2000 + 65 * 16)).toBe(0);
    const block = new Uint32Array(4);
    region.readBlock(0x1ff8, block);
    expect([...block.subarray(2)]).toEqual([0xffffffff, 0xffffffff]);
  });

  it("with the table, as this kernel offers it, the entries are the device's own: all masked", () => {
    using nvme = openDevice(NVME);
    const region = nvme.pci.bar(0).map({ msixTable: "include" });

    expect(region.windows).toMatchObject([{ offset: 0, bytes: 0x4000 }]);
    expect(region.read32(0x200c) & 1).toBe(1);
  });

  it("modify keeps what is not named, and bits that ones clear are only cleared by name", () => {
    using nvme = openDevice(NVME);
    const regs = REGISTERS.on(nvme.pci.bar(0).open());

    regs.configuration.write({ submissionEntry: 6, completionEntry: 4 });
    regs.configuration.modify({ submissionEntry: 7 });
    expect(regs.configuration.read()).toEqual({ enable: false, submissionEntry: 7, completionEntry: 4 });
    regs.configuration.write({});

    regs.interruptMaskSet.write(0b101);
    regs.interruptMaskClear.write(0b100);
    expect(regs.interruptMaskSet.read()).toBe(0b001);
    regs.interruptMaskClear.write(0b001);
  });
});

describe("given the e1000e device, with an I/O-port BAR", () => {
  it("its I/O ports lead to the registers that its memory BAR shows", () => {
    using nic = openDevice(E1000E);
    const memory = nic.pci.bar(0).map();
    const ports = nic.pci.bar(2).open();
    const { address, data } = defineRegisters({ address: { offset: 0 }, data: { offset: 4 } }).on(ports);

    expect([ports.windows, ports.bytes]).toEqual([[], 32]);
    address.write(0x5400);
    expect(data.read()).toBe(memory.read32(0x5400));
    expect([ports.read8(0), ports.read16(0), ports.read32(0)]).toEqual([0, 0x5400, 0x5400]);
    expectError(() => ports.read64(0), "ERR_VFIO_REGISTER_WIDTH");
    expectError(() => ports.read32(32), "ERR_VFIO_REGISTER_OFFSET");
  });

  it("its I/O space switched off is an error of opening, not all ones", () => {
    using nic = openDevice(E1000E);
    nic.pci.ioSpace = false;

    expectError(() => nic.pci.bar(2).open(), "ERR_VFIO_IO_SPACE_DISABLED");
    expect(nic.pci.bar(0).map().bytes).toBe(0x20000);
    nic.pci.ioSpace = true;
    expect(nic.pci.bar(2).open().bytes).toBe(32);
  });

  it("a dump leaves a register alone that reading clears", () => {
    using nic = openDevice(E1000E);
    const region = nic.pci.bar(0).map();
    const table = defineRegisters({
      cause: { offset: 0xc0, access: "rc", fields: { linkChange: { bit: 2 } } },
      causeSet: { offset: 0xc8, access: "wo", fields: { linkChange: { bit: 2 } } },
      maskClear: { offset: 0xd8, access: "wo" },
    });
    const { cause, causeSet, maskClear } = table.on(region);
    maskClear.write(0xffffffff);
    cause.read();
    causeSet.write({ linkChange: true });

    expect(table.dump(region).map(({ skipped }) => skipped)).toEqual([
      "reading clears it",
      "write only",
      "write only",
    ]);
    expect(cause.read()).toEqual({ linkChange: true });
    expect(cause.read()).toEqual({ linkChange: false });
  });
});

describe("given pci-testdev, which counts the accesses it gets", () => {
  const HEADER = defineRegisters({
    test: { offset: 0, width: 8 },
    place: { offset: 4, access: "ro" },
    data: { offset: 8, access: "ro" },
    count: { offset: 12, access: "ro" },
    name: { offset: 16, width: 8, access: "ro", count: 24 },
  });

  it.each([
    ["a mapped BAR", 0, "mmio-no-eventfd"],
    ["I/O ports", 1, "portio-no-eventfd"],
  ])("every element of a FIFO and every single write to %s is one access, no more", (_, bar, name) => {
    using device = openDevice(TEST_DEVICE);
    const region = device.pci.bar(bar).open();
    const regs = HEADER.on(region);

    regs.test.write(0);
    const text = String.fromCharCode(...[...regs.name].map((each) => each.read())).split("\0")[0];
    expect(text).toBe(name);
    expect(regs.count.read()).toBe(0);
    const place = regs.place.read();
    const data = regs.data.read();
    region.write8(place, data);
    expect(regs.count.read()).toBe(1);
    region.writeFifo(place, new Uint8Array(100).fill(data));
    expect(regs.count.read()).toBe(101);
    region.writeBlock(place, Uint8Array.of(data));
    expect(regs.count.read()).toBe(102);
    region.readFifo(place, new Uint8Array(100));
    expect(regs.count.read()).toBe(102);
  });
});

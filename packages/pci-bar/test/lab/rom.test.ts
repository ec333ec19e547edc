import { readFileSync } from "node:fs";
import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { ERROR_RNG, openDevice, ROM_FILE } from "./machine.js";

leavesNothingBehind();

/** PCI: a BAR has a power of two; what the image leaves of it reads as ones. */
const BAR_BYTES = 2048;

function fileInBar(): Buffer {
  const file = readFileSync(ROM_FILE);
  expect(file.length).toBe(1536);
  return Buffer.concat([file, Buffer.alloc(BAR_BYTES - file.length, 0xff)]);
}

describe("given a device with an expansion ROM", () => {
  it("every byte is that of the file, at each width and as blocks, and nothing is mapped", () => {
    const file = fileInBar();
    using device = openDevice(ERROR_RNG);
    using rom = device.pci.rom!.open();

    expect([rom.bytes, rom.windows]).toEqual([BAR_BYTES, []]);
    // The kernel maps the ROM for every single read, so each width has a few: the header, the image's end, the BAR's end.
    for (const at of [0, 0x18, 0x1c, 0x40, 1532, 1536, 2044]) {
      expect(rom.read8(at + 3)).toBe(file[at + 3]);
      expect(rom.read16(at + 2)).toBe(file.readUInt16LE(at + 2));
      expect(rom.read32(at)).toBe(file.readUInt32LE(at));
    }
    for (const block of [Uint8Array, Uint16Array, Uint32Array].map(
      (Type) => new Type(BAR_BYTES / Type.BYTES_PER_ELEMENT),
    )) {
      rom.readBlock(0, block);
      expect(Buffer.from(block.buffer).equals(file)).toBe(true);
    }
  });

  it("it begins as ROMs do, and says that it is this device's", () => {
    using device = openDevice(ERROR_RNG);
    using rom = device.pci.rom!.open();
    const structure = rom.read16(0x18);

    expect(rom.read16(0)).toBe(0xaa55);
    expect(rom.read32(structure)).toBe(Buffer.from("PCIR").readUInt32LE());
    expect([rom.read16(structure + 4), rom.read16(structure + 6)]).toEqual([
      device.pci.vendorId,
      device.pci.deviceId,
    ]);
  });

  it("its base address register has an address, and is off: the kernel switches it on for each read", () => {
    using device = openDevice(ERROR_RNG);
    const { header } = device.pci.config.decode();
    const [start] = readFileSync(`/sys/bus/pci/devices/${ERROR_RNG}/resource`, "utf8")
      .split("\n")[6]!
      .split(" ");

    device.pci.rom!.open().read8(0);

    expect(header).toMatchObject({ rom: { address: BigInt(start!), enabled: false } });
    expect(device.pci.config.decode().header).toEqual(header);
    expect(device.pci.config.describe()).toMatch(
      /^\tExpansion ROM at [0-9a-f]{8} \[disabled\] \[size=2K\]$/m,
    );
  });

  it("it is never written, and not opened with the memory space off", () => {
    using device = openDevice(ERROR_RNG);
    const rom = device.pci.rom!;
    const open = rom.open();

    for (const write of [
      () => open.write8(0x40, 1),
      () => open.write16(0x40, 1),
      () => open.write32(0x40, 1),
      () => open.writeBlock(0x40, Uint8Array.of(1)),
    ])
      expectError(write, `ERR_VFIO_READ_ONLY … the ROM of ${ERROR_RNG} can only be read`);
    expect(open.read8(0x40)).toBe(readFileSync(ROM_FILE)[0x40]);
    expectError(() => open.read8(BAR_BYTES), "ERR_VFIO_REGISTER_OFFSET");
    expectError(() => rom.map(), "ERR_VFIO_BAR_NOT_MAPPABLE");
    device.pci.memorySpace = false;
    expectError(() => rom.open(), "ERR_VFIO_MEMORY_SPACE_DISABLED");
  });
});

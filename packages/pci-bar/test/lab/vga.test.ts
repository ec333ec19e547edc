import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { OpenRegion } from "../../src/index.js";
import { openDevice, VGA } from "./machine.js";

leavesNothingBehind();

/** VGA's registers are reached through an index and a data port. */
const SEQUENCER = 0x3c4;
const GRAPHICS = 0x3ce;
const MEMORY = 0xa0000;

function set(vga: OpenRegion, port: number, index: number, value: number): void {
  vga.write8(port, index);
  vga.write8(port + 1, value);
}

describe("given a VGA card", () => {
  it("its legacy I/O ports answer at their own addresses, in bytes and in words", () => {
    using card = openDevice(VGA);
    using vga = card.pci.vga!.open();

    expect([vga.bytes, vga.windows]).toEqual([0xc0000, []]);
    set(vga, SEQUENCER, 2, 0x0f);
    expect([vga.read8(SEQUENCER), vga.read8(SEQUENCER + 1)]).toEqual([2, 0x0f]);
    vga.write16(SEQUENCER, 0x0502);
    expect(vga.read16(SEQUENCER)).toBe(0x0502);
  });

  it("its legacy memory is the card's memory, which BAR0 shows, too", () => {
    using card = openDevice(VGA);
    using vga = card.pci.vga!.open();
    const memory = card.pci.bar(0).map();
    // All planes, one after the other (chain 4), 64 KiB at 0xa0000.
    set(vga, SEQUENCER, 2, 0x0f);
    set(vga, SEQUENCER, 4, 0x0e);
    set(vga, GRAPHICS, 6, 0x05);

    vga.write32(MEMORY, 0x12345678);
    vga.writeBlock(MEMORY + 4, Uint16Array.of(0xabcd, 0xef01));
    vga.write8(MEMORY + 0xffff, 0x42);

    expect([memory.read32(0), memory.read32(4), memory.read8(0xffff)]).toEqual([
      0x12345678, 0xef01abcd, 0x42,
    ]);
    memory.write32(8, 0xcafef00d);
    expect(vga.read32(MEMORY + 8)).toBe(0xcafef00d);
  });

  it.each(["0x0", "0x3af", "0x3bc", "0x3e0", "0x9ffff"])(
    "%s is none of its addresses: an error of the kernel",
    (at) => {
      using card = openDevice(VGA);
      using vga = card.pci.vga!.open();

      expectError(() => vga.read8(Number(at)), "EINVAL", { syscall: "pread" });
      expectError(() => vga.write8(Number(at), 0), "EINVAL", { syscall: "pwrite" });
    },
  );

  it("it is not mapped, ends where it ends, and is closed with the device", () => {
    using card = openDevice(VGA);
    const region = card.pci.vga!;
    const vga = region.open();

    expectError(() => region.map(), "ERR_VFIO_BAR_NOT_MAPPABLE");
    expectError(() => vga.read8(0xc0000), "ERR_VFIO_REGISTER_OFFSET");
    card.pci.close();
    expectError(() => vga.read8(SEQUENCER), "ERR_VFIO_CLOSED");
  });
});

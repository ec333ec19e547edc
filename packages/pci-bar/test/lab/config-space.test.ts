import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EDU, E1000E, openDevice, type OpenDevice } from "./machine.js";

leavesNothingBehind();

describe("given a device's config space", () => {
  let edu: OpenDevice;
  beforeEach(() => {
    edu = openDevice(EDU);
  });
  afterEach(() => edu[Symbol.dispose]());

  it("ids and class are those that sysfs shows", () => {
    const sysfs = readFileSync(`/sys/bus/pci/devices/${EDU}/config`);

    expect([edu.pci.vendorId, edu.pci.deviceId]).toEqual([0x1234, 0x11e8]);
    expect(edu.pci.config.read32(0x08)).toBe(sysfs.readUInt32LE(0x08));
    expect(edu.pci.config.read8(0x0a)).toBe(sysfs[0x0a]);
    expect(Buffer.from(edu.pci.config.read(0, 4))).toEqual(sysfs.subarray(0, 4));
  });

  it("PCI Express devices have 4096 bytes, others 256", () => {
    using nic = openDevice(E1000E);

    expect([edu.pci.config.bytes, nic.pci.config.bytes]).toEqual([256, 4096]);
  });

  it("the cache line size register keeps what is written", () => {
    edu.pci.config.write8(0x0c, 0x10);

    expect(edu.pci.config.read8(0x0c)).toBe(0x10);
  });

  it("offsets outside it, or not aligned to the width, are RangeErrors that name the device", () => {
    for (const access of [
      () => edu.pci.config.read32(256),
      () => edu.pci.config.read32(2),
      () => edu.pci.config.read16(-2),
      () => edu.pci.config.write8(0.5, 0),
      () => edu.pci.config.read(250, 10),
    ])
      expect(
        expectError(access, `ERR_VFIO_CONFIG_OFFSET … the config space of ${EDU} (256 bytes)`),
      ).toBeInstanceOf(RangeError);
  });

  it("a value that does not fit its register is refused before it is written", () => {
    for (const write of [
      () => edu.pci.config.write8(0x0c, 256),
      () => edu.pci.config.write16(0x04, 0.5),
      () => edu.pci.config.write32(0x10, 2 ** 32),
    ])
      expectError(write, "ERR_VFIO_REGISTER_VALUE");
  });

  it("every command bit goes on and off by its name, each time read back; the others stay as they are", () => {
    const { command } = edu.pci.config;
    const before = command.read();

    for (const flag of ["ioSpace", "busMaster", "intxDisabled", "systemErrors"] as const) {
      for (const on of [!before[flag], before[flag]]) {
        command.set(flag, on);
        expect(command.isSet(flag)).toBe(on);
        expect(command.read()).toEqual({ ...before, [flag]: on });
      }
    }
  });

  it("a command bit that the device does not have is an error that names it", () => {
    expectError(() => edu.pci.config.command.set("stepping", true), `ERR_VFIO_COMMAND_REGISTER … ${EDU}`);
  });

  it("the status bits have names, and clearing those that are clear is no error", () => {
    const { status } = edu.pci.config;

    status.clear("detectedParityError", "receivedMasterAbort");

    expect(status.read()).toMatchObject({ capabilities: true, detectedParityError: false });
  });

  it("bus mastering goes on and off, each time read back from the device", () => {
    for (const on of [true, false, true]) {
      edu.pci.busMaster = on;
      expect(edu.pci.busMaster).toBe(on);
      expect((readFileSync(`/sys/bus/pci/devices/${EDU}/config`).readUInt16LE(4) & 4) !== 0).toBe(on);
    }
  });
});

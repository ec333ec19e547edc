import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { E1000E, EDU, NVME, openDevice, TEST_DEVICE } from "./machine.js";

leavesNothingBehind();

const LIVENESS = 0x04;

describe("given the edu device, with one BAR of 1 MiB", () => {
  it("BARs it does not have cannot be mapped, and indexes no device has are refused", () => {
    using edu = openDevice(EDU);

    expect(edu.pci.bars.map(({ index }) => index)).toEqual([0]);
    expectError(
      () => edu.pci.bar(2).map(),
      `ERR_VFIO_BAR_NOT_MAPPABLE … BAR2 of ${EDU}: the device does not have it`,
    );
    for (const index of [-1, 6, 0.5]) expectError(() => edu.pci.bar(index), "ERR_VFIO_BAR_INDEX");
  });
});

describe("given the other devices of the lab", () => {
  it("nvme: the BAR with the MSI-X table is left out, though the kernel would let it be mapped", () => {
    using nvme = openDevice(NVME);

    expect(nvme.pci.msixTable).toMatchObject({ bar: 0, vectors: 65 });
    expect(nvme.pci.bar(0).info).toMatchObject({ mappable: true, msixMappable: true });
    expect(nvme.pci.mapBars()).toEqual([]);
    expectError(() => nvme.pci.bar(0).map(), "ERR_VFIO_BAR_NOT_MAPPABLE … it holds the MSI-X table");
  });

  it("e1000e: memory BARs are mapped, the I/O-port BAR and the one with the MSI-X table are not", () => {
    using e1000e = openDevice(E1000E);

    const obstacles = e1000e.pci.bars.map(({ index, obstacle }) => [index, obstacle?.split(",")[0]]);
    const mapped = e1000e.pci.mapBars();

    expect(obstacles).toEqual([
      [0, undefined],
      [1, undefined],
      [2, "the kernel offers no mmap of it: it is an I/O-port BAR"],
      [3, "it holds the MSI-X table"],
    ]);
    expect(mapped.map(({ index }) => index)).toEqual([0, 1]);
    // The device status register, 82574 datasheet 10.2.2.2: bit 1 is "link up".
    expect(mapped[0]!.read32(0x08) & 2).toBe(2);
  });

  it("pci-testdev: its I/O-port BAR cannot be mapped, and says why", () => {
    using testDevice = openDevice(TEST_DEVICE);

    expectError(() => testDevice.pci.bar(1).map(), "… I/O-port BAR");
  });

  it("two devices at once keep their BARs apart", () => {
    using edu = openDevice(EDU);
    using e1000e = openDevice(E1000E);
    const eduBar = edu.pci.bar(0).map();
    const nicBar = e1000e.pci.bar(0).map();

    eduBar.write32(LIVENESS, 5);

    expect(eduBar.read32(LIVENESS)).toBe(~5 >>> 0);
    expect(nicBar.windows[0]!.handle).not.toBe(eduBar.windows[0]!.handle);
  });
});

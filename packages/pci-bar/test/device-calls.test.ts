import { errnoOf, useKernel, VfioSystemError, type DeviceCalls, type RegionWindow } from "@vfio/ioctl-native";
import { deviceCallsOf, vfioConstants, type IrqSet } from "@vfio/ioctl-native/vfio";
import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PciDevice, readRegionInfo } from "../src/index.js";
import { memoryWindow } from "../src/regions/memory-window.js";
import { FakeDevice } from "./fake-device.js";

leavesNothingBehind();

const CONFIG = vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX;
const { VFIO_PCI_MSI_IRQ_INDEX: MSI } = vfioConstants;

/** A device without an fd: a program plays it. BAR0 is plain memory that answers loads and stores, BAR2 is told of each access. */
class Model implements DeviceCalls {
  readonly kind = "emulated";
  readonly name = "the model";
  readonly config = new Uint8Array(256);
  readonly memory = new Uint8Array(0x1000);
  readonly accesses: string[] = [];
  readonly irqSets: IrqSet[] = [];
  resets = 0;

  constructor() {
    this.config.set([0x86, 0x80, 0x34, 0x12, 0x02]);
  }
  info = () => ({ canReset: true, isPci: true, regions: 9, interrupts: 5 });
  region(index: number) {
    if (index > CONFIG)
      throw new VfioSystemError(errnoOf("EINVAL"), { syscall: "ioctl", what: "no such region" });
    const bytes = { 0: this.memory.length, 2: 0x10, [CONFIG]: this.config.length }[index] ?? 0;
    const common = { fileOffset: 0, readable: true, writable: true, msixMappable: false };
    return { index, bytes, mappable: index === 0, sparseAreas: undefined, ...common };
  }
  readRegion(index: number, offset: number, into: Uint8Array): void {
    if (index === CONFIG) return into.set(this.config.subarray(offset, offset + into.length));
    this.accesses.push(`read ${into.length} at ${offset}`);
    into.fill(offset);
  }
  writeRegion(index: number, offset: number, from: Uint8Array): void {
    if (index === CONFIG) return this.config.set(from, offset);
    this.accesses.push(`write ${[...from].join(",")} at ${offset}`);
  }
  mapRegion(_index: number, { offset, bytes }: { offset: number; bytes: number }): RegionWindow {
    return { ...memoryWindow(this.memory.subarray(offset, offset + bytes), "the model"), offset };
  }
  irq = (index: number) => {
    const vectors = index === MSI ? 4 : 0;
    return { vectors, eventfd: true, maskable: false, automasked: false, resizable: false };
  };
  setIrqs(set: IrqSet): number {
    this.irqSets.push(set);
    return 0;
  }
  fireIrq = () => 0;
  reset(): void {
    this.resets++;
    this.memory.fill(0);
  }
}

describe("given a device that has calls and no fd", () => {
  let model: Model;
  let pci: PciDevice;
  beforeEach(() => {
    model = new Model();
    pci = new PciDevice(model);
  });
  afterEach(() => pci.close());

  it("its config space, its command register and its regions are reached by them", () => {
    pci.busMaster = true;
    using bar = pci.bar(0).map();
    bar.write32(0x10, 0xcafe);
    bar.part(0x20, 8).write64(0, 5n);

    expect([pci.vendorId, pci.deviceId, model.config[4]]).toEqual([0x8086, 0x1234, 0x06]);
    expect(new DataView(model.memory.buffer).getUint32(0x10, true)).toBe(0xcafe);
    expect(bar.read64(0x20)).toBe(5n);
    expect(bar.name).toBe("BAR0 of the model");
    expect(pci.vga).toBeUndefined();
  });

  it("each access to a region that is not mapped is one call of its width", () => {
    using bar = pci.bar(2).open();

    expect(bar.read16(4)).toBe(0x0404);
    bar.write32(8, 0x04030201);
    bar.write8(1, 0xff);

    expect(model.accesses).toEqual(["read 2 at 4", "write 1,2,3,4 at 8", "write 255 at 1"]);
    expectError(() => bar.read64(0), "ERR_VFIO_REGISTER_WIDTH");
    expectError(() => bar.share(), "ERR_VFIO_REGION_NOT_SHARED");
  });

  it("its interrupts are set up, enabled and disabled by them", () => {
    using interrupts = pci.setUpInterrupts({ vectors: 2 });

    interrupts.enable();
    interrupts.trigger(1);
    interrupts.disable();

    expect(interrupts.type).toBe("msi");
    expect(model.irqSets.map(({ index, count, data }) => [index, count, data?.length])).toEqual([
      [MSI, 2, 8],
      [MSI, 0, undefined],
    ]);
  });

  it("it is reset, on the event loop where there is no other way, and has no bus to be reset", async () => {
    pci.reset();
    await pci.resetAsync();

    expect(model.resets).toBe(2);
    expectError(() => pci.hotReset([]), "ERR_VFIO_NO_RESET");
    expectError(() => pci.hotResetDevices, "ERR_VFIO_NO_RESET");
  });

  it("when it is closed, then it is reached no more", () => {
    pci.close();
    for (const use of [() => pci.vendorId, () => pci.canReset, () => pci.bar(0), () => pci.hotResetDevices])
      expectError(use, "ERR_VFIO_CLOSED");
  });
});

describe("given one device, wrapped twice", () => {
  it("its calls are the same, its own as they are", () => {
    const model = new Model();
    const device = { fd: 3 };
    expect(deviceCallsOf(model)).toBe(model);
    expect(deviceCallsOf(device)).toBe(deviceCallsOf(device));
    expect(deviceCallsOf(deviceCallsOf(device))).toBe(deviceCallsOf(device));
    expect(deviceCallsOf({ fd: 3 })).not.toBe(deviceCallsOf(device));
    expect(deviceCallsOf(device)).toMatchObject({ kind: "vfio", name: "the PCI device with fd 3" });
  });

  it("what has calls is asked by them, though it has an fd, too", () => {
    const model = Object.assign(new Model(), { fd: 3 });
    expect(readRegionInfo(model, 0).bytes).toBe(0x1000);
  });

  it("both know what the other has open", () => {
    const fake = new FakeDevice();
    using _kernel = useKernel(fake.kernel);
    using first = new PciDevice(fake.device);
    using second = new PciDevice(deviceCallsOf(fake.device));
    using _bar = first.bar(0).map();

    expectError(() => (second.memorySpace = false), "ERR_VFIO_MEMORY_SPACE_IN_USE");
  });
});

import { readFileSync } from "node:fs";
import { readAt, writeAt } from "@vfio/ioctl-native";
import { expectError, expectRejection, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { listCapabilities, readRegionInfo, type PciDevice, type VfioDevice } from "../../src/index.js";
import { BRIDGED_EDU, E1000E, EDU, HOTPLUG_EDU, NVME, openDevice, SLOT, TEST_DEVICE } from "./machine.js";
import { answering } from "./slot.js";

leavesNothingBehind();

/** Registers of an NVMe controller: its configuration, and its status. */
const CC = 0x14;
const CSTS = 0x1c;
const RAISE = 0x60;
const ACKNOWLEDGE = 0x64;

function powerControl(pci: PciDevice): number {
  return listCapabilities(pci.config).find(({ id }) => id === 0x01)!.offset + 4;
}

/** A register of the nvme's BAR0, which may not be mappable as the MSI-X table is there. */
function registers(device: VfioDevice): {
  read(offset: number): number;
  write(offset: number, value: number): void;
} {
  const { fileOffset } = readRegionInfo(device, 0);
  return {
    read: (offset) => Buffer.from(readAt(device, fileOffset + offset, 4, "BAR0")).readUInt32LE(),
    write: (offset, value) =>
      writeAt(device, fileOffset + offset, Uint8Array.from([value, value >> 8, value >> 16, 0]), "BAR0"),
  };
}

describe("given devices that the kernel can reset alone", () => {
  it("a running NVMe controller is stopped by a reset, and the rest of the device is as it was", async () => {
    using nvme = openDevice(NVME);
    const bar = registers(nvme.device);
    nvme.pci.busMaster = true;
    const interrupts = nvme.pci.setUpInterrupts({ vectors: 65 });
    interrupts.enable();
    interrupts.trigger(3);
    bar.write(0x24, 0x1f001f);
    bar.write(0x28, 0x1000);
    bar.write(0x30, 0x2000);
    bar.write(CC, 0x460001);
    expect([bar.read(CC), bar.read(CSTS)]).toEqual([0x460001, 1]);

    expect(nvme.pci.canReset).toBe(true);
    nvme.pci.reset();

    expect([bar.read(CC), bar.read(CSTS)]).toEqual([0, 0]);
    expect([nvme.pci.memorySpace, nvme.pci.busMaster, interrupts.enabled]).toEqual([true, true, true]);
    interrupts.trigger(3, 64);
    expect(await interrupts.vector(3).wait({ timeoutMs: 5000 })).toBe(2);
    expect(interrupts.vector(64).poll()).toBe(1);
  });

  it("what is not wanted back is off, and can be switched on again", () => {
    using card = openDevice(E1000E);
    card.pci.busMaster = true;
    const interrupts = card.pci.setUpInterrupts({ type: "msi" });
    interrupts.enable();

    card.pci.reset({ restoreMemorySpace: false, restoreBusMaster: false, restoreInterrupts: false });

    expect([card.pci.memorySpace, card.pci.busMaster, interrupts.enabled]).toEqual([false, false, false]);
    expectError(() => interrupts.trigger(0), "ERR_VFIO_INTERRUPTS_DISABLED");
    card.pci.memorySpace = true;
    interrupts.enable();
    interrupts.trigger(0);
    expect(interrupts.vector(0).poll()).toBe(1);
  });

  it("a wait goes on through a reset", async () => {
    using card = openDevice(E1000E);
    const interrupts = card.pci.setUpInterrupts();
    interrupts.enable();
    const waiting = interrupts.vector(0).wait({ timeoutMs: 5000 });

    card.pci.reset();
    interrupts.trigger(0);

    expect(await waiting).toBe(1);
  });
});

describe.each([E1000E, NVME])("given %s in power state D3hot", (bdf) => {
  it("it is brought to D0 by itself, or by a reset", () => {
    using open = openDevice(bdf);
    const { pci } = open;
    expect(pci.powerState).toBe("D0");

    pci.config.write16(powerControl(pci), 3);
    expect(pci.powerState).toBe("D3hot");
    pci.bringToD0();
    expect(pci.powerState).toBe("D0");
    pci.bringToD0();

    pci.config.write16(powerControl(pci), 3);
    pci.reset();
    expect(pci.powerState).toBe("D0");
    expect(pci.memorySpace).toBe(true);
  });
});

describe("given devices that cannot be reset", () => {
  it.each([EDU, TEST_DEVICE])("%s has no reset of its own and sits on the root bus: both are said", (bdf) => {
    using open = openDevice(bdf);

    expect(open.pci.canReset).toBe(false);
    for (const call of [() => open.pci.reset(), () => open.pci.hotReset([open.group])])
      expectError(call, `ERR_VFIO_NO_RESET … ${bdf}`);
    expect(open.pci.powerState).toBe("D0");
  });

  it("behind the bridge a device without driver is in the way: it is named, with all that the reset reaches", () => {
    using edu = openDevice(BRIDGED_EDU);
    const group = Number(edu.pci.hotResetDevices[0]?.group);

    expect(edu.pci.hotResetDevices).toEqual([
      { bdf: BRIDGED_EDU, group },
      { bdf: "0000:01:02.0", group },
    ]);
    expectError(
      () => edu.pci.hotReset([edu.group]),
      `EINVAL … ${BRIDGED_EDU} (vfio-pci), 0000:01:02.0 (no driver)`,
      { ioctl: "VFIO_DEVICE_PCI_HOT_RESET" },
    );
  });
});

describe("given an edu in a slot, which is reset with its whole slot", () => {
  it("without its group's fd the error names group and device; with it, interrupts come as before", async () => {
    using edu = openDevice(HOTPLUG_EDU);
    const bar = edu.pci.bar(0).map();
    edu.pci.busMaster = true;
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    const [reached] = edu.pci.hotResetDevices;

    expectError(
      () => edu.pci.hotReset([]),
      `ERR_VFIO_HOT_RESET_GROUPS … without group ${reached!.group} of ${HOTPLUG_EDU}`,
    );
    expectError(() => edu.pci.hotReset([edu.device]), "ERR_VFIO_HOT_RESET_GROUPS");

    for (const reset of [() => edu.pci.hotReset([edu.group]), () => edu.pci.reset()]) {
      reset();
      expect([edu.pci.memorySpace, edu.pci.busMaster]).toEqual([true, true]);
      bar.write32(RAISE, 1);
      expect(await interrupts.vector(0).wait({ timeoutMs: 5000 })).toBe(1);
      bar.write32(ACKNOWLEDGE, 1);
    }
  });

  it("INTx that is masked stays so over resets, also with its line up; what came before is still there", async () => {
    using edu = openDevice(HOTPLUG_EDU);
    const bar = edu.pci.bar(0).map();
    const interrupts = edu.pci.setUpInterrupts({ type: "intx" });
    const vector = interrupts.vector(0);
    interrupts.enable();
    interrupts.trigger(0);
    interrupts.mask();

    for (const reset of [() => edu.pci.hotReset([edu.group]), () => edu.pci.reset()]) {
      reset();
      bar.write32(RAISE, 1);
      interrupts.disable();
      interrupts.enable();
    }
    expect(vector.poll()).toBe(1);
    await expectRejection(vector.wait({ timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");

    interrupts.unmask();
    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
    bar.write32(ACKNOWLEDGE, 1);
  });

  it("off the bus, it is not present: resets and set-ups say so; back on the bus, all is well", () => {
    using edu = openDevice(HOTPLUG_EDU);
    expect(edu.pci.present).toBe(true);

    answering(SLOT, false);
    try {
      expect(edu.pci.present).toBe(false);
      for (const call of [() => edu.pci.reset(), () => edu.pci.setUpInterrupts()])
        expectError(call, `ERR_VFIO_DEVICE_GONE … ${HOTPLUG_EDU} does not answer`);
      for (const call of [
        () => (edu.pci.busMaster = true),
        () => (edu.pci.memorySpace = false),
        () => edu.pci.bar(0).map(),
        () => edu.pci.bar(0).open(),
        () => edu.pci.powerState,
        () => edu.pci.bringToD0(),
      ])
        expectError(call, "ERR_VFIO_DEVICE_GONE");
      edu.pci.onRemovalRequested(() => undefined);
    } finally {
      answering(SLOT, true);
    }
    expect([edu.pci.present, edu.pci.busMaster, edu.pci.memorySpace]).toEqual([true, false, true]);
    edu.pci.reset();
    expect(readFileSync(`/sys/bus/pci/devices/${HOTPLUG_EDU}/vendor`, "utf8")).toBe("0x1234\n");
  });
});

describe("given a reset off the event loop", () => {
  it("the device has its reset values, its interrupts and command bits are as before, and the event loop went on", async () => {
    using opened = openDevice(NVME);
    const { pci } = opened;
    pci.busMaster = true;
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    let turned = false;
    setImmediate(() => (turned = true));

    await pci.resetAsync();

    expect(turned).toBe(true);
    expect([pci.busMaster, interrupts.enabled]).toEqual([true, true]);
    interrupts.trigger(0);
    expect(await interrupts.vector(0).wait({ timeoutMs: 5000 })).toBe(1);
  });
});

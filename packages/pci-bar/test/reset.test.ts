import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { errorOf, expectError } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PciDevice } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

let fake: FakeDevice;
let undo: Disposable;
let pci: PciDevice;
beforeEach(() => {
  fake = new FakeDevice();
  undo = useKernel(fake.kernel);
  pci = new PciDevice(fake.device);
});
afterEach(() => undo[Symbol.dispose]());

const MEMORY_SPACE = 1 << 1;
const BUS_MASTER = 1 << 2;

describe("given a device whose reset clears the command register, which the kernel of today does not let happen", () => {
  beforeEach(() => {
    fake.command = MEMORY_SPACE | BUS_MASTER;
    fake.onReset = () => (fake.command = 0);
  });

  it("all comes back that was there", () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();

    pci.reset();

    expect(fake.command).toBe(MEMORY_SPACE | BUS_MASTER);
    expect(interrupts.enabled).toBe(true);
    expect(fake.calls).toEqual(["enable", "disable", "reset", "enable"]);
  });

  it("what is not wanted back stays off", () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();

    pci.reset({ restoreBusMaster: false, restoreInterrupts: false });

    expect(fake.command).toBe(MEMORY_SPACE);
    expect(interrupts.enabled).toBe(false);
    pci.reset({ restoreMemorySpace: false });
    expect(fake.command).toBe(0);
  });

  it("memory space cannot stay off under mapped memory: that is said before anything is reset", () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    using _mapped = pci.bar(0).map();

    expectError(() => pci.reset({ restoreMemorySpace: false }), "ERR_VFIO_MEMORY_SPACE_IN_USE");

    expect(interrupts.enabled).toBe(true);
    expect(fake.calls).toEqual(["enable"]);
  });

  it("what was off before stays off, and disabled interrupts stay disabled", () => {
    fake.command = MEMORY_SPACE;
    const interrupts = pci.setUpInterrupts();

    pci.reset();

    expect(fake.command).toBe(MEMORY_SPACE);
    expect(interrupts.enabled).toBe(false);
    expect(fake.calls).toEqual(["reset"]);
  });
});

describe("given a reset that does not come about", () => {
  it("a device that the kernel cannot reset alone: the error names it and another way, and nothing is touched", () => {
    fake.canReset = false;
    pci.setUpInterrupts().enable();

    expectError(() => pci.reset(), "ERR_VFIO_NO_RESET … 0000:00:10.0 cannot be reset alone … pci.hotReset");

    expect(pci.canReset).toBe(false);
    expect(fake.calls).toEqual(["enable"]);
  });

  it("a kernel that refuses: interrupts are enabled as before", () => {
    fake.refusals.reset = errnoOf("EAGAIN");
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();

    expectError(() => pci.reset(), "EAGAIN … try again", { ioctl: "VFIO_DEVICE_RESET" });

    expect(interrupts.enabled).toBe(true);
    expect(fake.calls).toEqual(["enable", "disable", "reset", "enable"]);
  });

  it("a device that does not come back is said to be gone", () => {
    fake.onReset = () => (fake.gone = true);

    expectError(() => pci.reset(), "ERR_VFIO_DEVICE_GONE … 0000:00:10.0 does not answer");
  });

  it("a device that is gone is not reset, and gets no interrupts", () => {
    fake.gone = true;

    expect(pci.present).toBe(false);
    for (const call of [() => pci.reset(), () => pci.hotReset([]), () => pci.setUpInterrupts()])
      expect(errorOf(call)).toMatchObject({ code: expect.stringMatching(/GONE|NO_RESET/) as string });
    expectError(() => pci.setUpInterrupts(), "ERR_VFIO_DEVICE_GONE");
    expect(fake.calls).toEqual([]);
  });

  it("a device whose memory went away under a region is not there until that region is closed", () => {
    const bar = pci.bar(0).map();
    expect([pci.present, bar.gone]).toEqual([true, false]);

    fake.memoryGone = true;

    expect([pci.present, bar.gone]).toEqual([false, true]);
    bar.close();
    expect([pci.present, bar.gone]).toEqual([true, false]);
  });

  it("after close it says so", () => {
    pci.close();

    expectError(() => pci.reset(), "ERR_VFIO_CLOSED");
    expectError(() => pci.hotReset([]), "ERR_VFIO_CLOSED");
    expectError(() => pci.onRemovalRequested(() => undefined), "ERR_VFIO_CLOSED");
  });
});

describe("given a bus with devices in two groups", () => {
  beforeEach(() => {
    fake.bus = [
      { bdf: "0000:00:10.0", group: 0 },
      { bdf: "0000:00:10.7", group: 0 },
      { bdf: "0001:ff:1f.2", group: 4 },
    ];
  });

  it("they are listed as data, with group 0 like any other", () => {
    expect(pci.hotResetDevices).toEqual(fake.bus);
  });

  it("without a group's fd the error names the group and the device, and nothing is touched", () => {
    pci.setUpInterrupts().enable();

    const error = errorOf(() => pci.hotReset([fake.group(0)]));

    expect(error).toMatchObject({ code: "ERR_VFIO_HOT_RESET_GROUPS" });
    expect(error.message).toContain("without group 4 of 0001:ff:1f.2");
    expect(error.message).not.toContain("group 0");
    expect(error.hint).toContain("pass them all");
    expect(fake.calls).toEqual(["enable"]);
  });

  it("each group's fd is passed once, whatever else is given", () => {
    pci.hotReset([fake.group(9), fake.group(4), fake.group(0), fake.group(0)]);

    expect(fake.calls).toEqual(["hot reset with groups 0,4"]);
  });

  it("groups without an IOMMU are groups like any other", () => {
    fake.noIommu = true;

    pci.hotReset([fake.group(0), fake.group(4)]);

    expect(fake.calls).toEqual(["hot reset with groups 0,4"]);
  });

  it("a device that was opened by iommufd: the kernel's device ids are not taken for groups", () => {
    fake.namesDeviceIds = true;

    for (const call of [() => pci.hotResetDevices, () => pci.hotReset([fake.group(0), fake.group(4)])]) {
      expectError(call, "ERR_VFIO_HOT_RESET_GROUPS … names no groups for a hot reset of 0000:00:10.0", {
        hint: "Open it through its group",
      });
    }
    expect(fake.calls).toEqual([]);
  });

  it("what is no group is refused", () => {
    expectError(() => pci.hotReset([{ fd: 3 }]), "ERR_VFIO_HOT_RESET_GROUPS … fd 3 is no VFIO group");
  });

  it("when the kernel refuses, every device is named with its driver", () => {
    fake.refusals.reset = errnoOf("EINVAL");

    expectError(
      () => pci.hotReset([fake.group(0), fake.group(4)]),
      "EINVAL … cannot hot reset 0000:00:10.0 … 0001:ff:1f.2 (no driver)",
      { ioctl: "VFIO_DEVICE_PCI_HOT_RESET" },
    );
  });

  it("a bus that grows between two questions is asked again", () => {
    fake.busGrows = 3;

    expect(pci.hotResetDevices).toHaveLength(6);
  });
});

describe("given a device on a root bus", () => {
  it("a hot reset says that there is none", () => {
    expectError(() => pci.hotResetDevices, "ERR_VFIO_NO_RESET … 0000:00:10.0 cannot be hot reset");

    expectError(() => pci.hotReset([]), "ERR_VFIO_NO_RESET");
  });
});

describe("given a device with power management", () => {
  beforeEach(() => fake.addPowerManagement());

  it("it is not put into D3hot while something is mapped, and in D3hot nothing is mapped: both would be a SIGBUS", () => {
    const PMCSR = 0x44;
    const mapped = pci.bar(0).map();
    expectError(() => pci.config.write16(PMCSR, 3), "ERR_VFIO_MEMORY_SPACE_IN_USE");
    expect(pci.powerState).toBe("D0");

    mapped.close();
    pci.config.write16(PMCSR, 3);

    expect(pci.powerState).toBe("D3hot");
    expectError(() => pci.bar(0).map(), "ERR_VFIO_MEMORY_SPACE_DISABLED … is in power state D3hot", {
      hint: "Switch it on: pci.bringToD0()",
    });
  });

  it("its state is told, and D0 is reached, without acknowledging a wake-up event", () => {
    fake.power = 0x8103;
    expect(pci.powerState).toBe("D3hot");

    pci.bringToD0();

    expect(fake.power).toBe(0x0100);
    expect(pci.powerState).toBe("D0");
  });

  it("one that does not wake up is named, with its state", () => {
    fake.power = 0x0002;
    fake.keepsPower = true;

    expectError(() => pci.bringToD0(), "ERR_VFIO_POWER_STATE … 0000:00:10.0 stays in power state D2");
  });
});

describe("given a device that does not answer any more", () => {
  it.each<[string, () => unknown]>([
    ["switches bus mastering on", () => (pci.busMaster = true)],
    ["switches bus mastering off", () => (pci.busMaster = false)],
    ["switches memory space on", () => (pci.memorySpace = true)],
    ["switches I/O space on", () => (pci.ioSpace = true)],
    ["sets a command bit", () => pci.config.command.set("intxDisabled", true)],
    ["maps a BAR", () => pci.bar(0).map()],
    ["opens a BAR", () => pci.bar(0).open()],
    ["opens the config space", () => pci.region(7).open()],
    ["asks for the power state", () => pci.powerState],
    ["brings it to D0", () => pci.bringToD0()],
  ])("who %s is told that it is gone, and nothing is held or written", (_, call) => {
    fake.addPowerManagement();
    fake.gone = true;
    const { command, power } = fake;

    expectError(call, "ERR_VFIO_DEVICE_GONE … 0000:00:10.0 does not answer");

    expect([fake.command, fake.power]).toEqual([command, power]);
    expect(fake.held.reasons.size).toBe(0);
  });

  it("one that goes with the write itself did not keep the bit, whatever it reads as", () => {
    fake.onCommand = () => (fake.gone = true);

    expectError(() => (pci.busMaster = true), "ERR_VFIO_DEVICE_GONE");
  });
});

describe("given a PciDevice that is closed, on a device that is not", () => {
  it.each<[string, () => unknown]>([
    ["bus mastering on", () => (pci.busMaster = true)],
    ["bus mastering", () => pci.busMaster],
    ["memory space", () => (pci.memorySpace = false)],
    ["I/O space", () => (pci.ioSpace = true)],
    ["D0", () => pci.bringToD0()],
    ["the power state", () => pci.powerState],
    ["its presence", () => pci.present],
    ["whether it can be reset", () => pci.canReset],
    ["what a hot reset reaches", () => pci.hotResetDevices],
    ["the vendor", () => pci.vendorId],
    ["the config space", () => pci.config.read32(0)],
    ["a write of the config space", () => pci.config.write16(0x04, 0)],
    ["its text", () => pci.config.describe()],
    ["a command bit", () => pci.config.command.set("busMaster", true)],
    ["its BARs", () => pci.bars],
  ])("%s: it says so, and the device is as it was", (_, call) => {
    fake.bus = [{ bdf: "0000:00:10.0", group: 0 }];
    pci.close();

    expectError(call, "ERR_VFIO_CLOSED … the PciDevice of 0000:00:10.0 is closed");

    expect(fake.command).toBe(MEMORY_SPACE);
    expect(fake.calls).toEqual([]);
  });
});

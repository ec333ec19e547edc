import { errnoOf, useKernel, type HasFd } from "@vfio/ioctl-native";
import { expectError, expectRejection, rejectionOf } from "@vfio/test-support";
import { beforeEach, describe, expect, it } from "vitest";
import { PciDevice, type Interrupts, type ResetOptions } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

let fake: FakeDevice;
let pci: PciDevice;
beforeEach(() => {
  fake = new FakeDevice();
  const kernel = useKernel(fake.kernel);
  pci = new PciDevice(fake.device);
  return () => kernel[Symbol.dispose]();
});

const MEMORY_SPACE = 1 << 1;
const BUS_MASTER = 1 << 2;
const ALONE = [{ bdf: "0000:00:10.0", group: 0 }];

function enabledInterrupts(): Interrupts {
  const interrupts = pci.setUpInterrupts();
  interrupts.enable();
  return interrupts;
}

/** Both ways of a reset; what the first throws is a rejection, too. */
const WAYS: [string, (options?: ResetOptions) => Promise<void>, (groups: HasFd[]) => Promise<void>][] = [
  ["a reset", async (options) => pci.reset(options), async (groups) => pci.hotReset(groups)],
  ["a reset off the event loop", (options) => pci.resetAsync(options), (groups) => pci.hotResetAsync(groups)],
];

describe.each(WAYS)(
  "given %s that clears the command register, which the kernel of today prevents",
  (_, reset) => {
    beforeEach(() => {
      fake.command = MEMORY_SPACE | BUS_MASTER;
      fake.onReset = () => (fake.command = 0);
    });

    it("all comes back that was there", async () => {
      const interrupts = enabledInterrupts();

      await reset();

      expect([fake.command, interrupts.enabled]).toEqual([MEMORY_SPACE | BUS_MASTER, true]);
      expect(fake.calls).toEqual(["enable", "disable", "reset", "enable"]);
    });

    it("what is not wanted back stays off", async () => {
      const interrupts = enabledInterrupts();

      await reset({ restoreBusMaster: false, restoreInterrupts: false });

      expect([fake.command, interrupts.enabled]).toEqual([MEMORY_SPACE, false]);
      await reset({ restoreMemorySpace: false });
      expect(fake.command).toBe(0);
    });

    it("memory space cannot stay off under mapped memory: that is said before anything is reset", async () => {
      const interrupts = enabledInterrupts();
      using _mapped = pci.bar(0).map();

      await expectRejection(reset({ restoreMemorySpace: false }), "ERR_VFIO_MEMORY_SPACE_IN_USE");

      expect([interrupts.enabled, fake.calls]).toEqual([true, ["enable"]]);
      await reset();
      expect(fake.command).toBe(MEMORY_SPACE | BUS_MASTER);
    });

    it("what was off before stays off, and disabled interrupts stay disabled", async () => {
      fake.command = MEMORY_SPACE;
      const interrupts = pci.setUpInterrupts();

      await reset();

      expect([fake.command, interrupts.enabled]).toEqual([MEMORY_SPACE, false]);
      expect(fake.calls).toEqual(["reset"]);
    });
  },
);

describe("given a slow reset off the event loop", () => {
  let finish: () => void;
  beforeEach(() => {
    fake.onReset = () => (fake.command = 0);
    fake.untilReset = new Promise<void>((resolve) => (finish = resolve));
  });

  it("the event loop goes on, with interrupts disabled, until the kernel is done", async () => {
    const interrupts = enabledInterrupts();

    const resetting = pci.resetAsync();
    await new Promise((resolve) => setImmediate(resolve));
    expect([interrupts.enabled, fake.calls]).toEqual([false, ["enable", "disable"]]);
    finish();
    await resetting;

    expect(interrupts.enabled).toBe(true);
  });

  it("interrupts that are closed meanwhile stay closed", async () => {
    const interrupts = enabledInterrupts();
    const resetting = pci.resetAsync();
    interrupts.close();
    finish();

    await resetting;

    expect(fake.calls).toEqual(["enable", "disable", "reset"]);
  });

  it("a device that is closed meanwhile: the reset goes on, nothing is brought back, and that is told", async () => {
    const resetting = expectRejection(pci.resetAsync(), "ERR_VFIO_CLOSED");
    pci.close();
    finish();

    await resetting;

    expect([fake.calls, fake.command]).toEqual([["reset"], 0]);
  });

  it("a signal that is aborted before: nothing is reset, interrupts were never disabled", async () => {
    const interrupts = enabledInterrupts();
    const signal = AbortSignal.abort(new Error("not now"));
    fake.bus = ALONE;

    for (const resetting of [pci.resetAsync({ signal }), pci.hotResetAsync([fake.group(0)], { signal })])
      expect((await rejectionOf(resetting)).message).toBe("not now");

    expect([interrupts.enabled, fake.calls]).toEqual([true, ["enable"]]);
  });
});

describe.each(WAYS)("given %s that does not come about", (_, reset) => {
  it("a device that the kernel cannot reset alone: the error names it and another way, and nothing is touched", async () => {
    fake.canReset = false;
    enabledInterrupts();

    await expectRejection(reset(), "ERR_VFIO_NO_RESET … 0000:00:10.0 cannot be reset alone … pci.hotReset");

    expect(pci.canReset).toBe(false);
    expect(fake.calls).toEqual(["enable"]);
  });

  it("a kernel that refuses: interrupts are enabled as before", async () => {
    fake.refusals.reset = errnoOf("EAGAIN");
    const interrupts = enabledInterrupts();

    await expectRejection(reset(), "EAGAIN … try again", { ioctl: "VFIO_DEVICE_RESET" });

    expect(interrupts.enabled).toBe(true);
    expect(fake.calls).toEqual(["enable", "disable", "reset", "enable"]);
  });

  it("a device that does not come back is said to be gone", async () => {
    fake.onReset = () => (fake.gone = true);

    await expectRejection(reset(), "ERR_VFIO_DEVICE_GONE … 0000:00:10.0 does not answer");
  });
});

describe("given a device whose memory went away under a region", () => {
  it("it is not there until that region is closed", () => {
    const bar = pci.bar(0).map();
    expect([pci.present, bar.gone]).toEqual([true, false]);

    fake.memoryGone = true;

    expect([pci.present, bar.gone]).toEqual([false, true]);
    bar.close();
    expect([pci.present, bar.gone]).toEqual([true, false]);
  });
});

describe("given a bus with devices in two groups", () => {
  const bothGroups = (): HasFd[] => [fake.group(0), fake.group(4)];
  beforeEach(() => {
    fake.bus = [...ALONE, { bdf: "0000:00:10.7", group: 0 }, { bdf: "0001:ff:1f.2", group: 4 }];
  });

  it("they are listed as data, with group 0 like any other", () => {
    expect(pci.hotResetDevices).toEqual(fake.bus);
  });

  it.each(WAYS)(
    "without a group's fd %s names the group and the device, and touches nothing",
    async (...way) => {
      enabledInterrupts();

      const error = await expectRejection(
        way[2]([fake.group(0)]),
        "ERR_VFIO_HOT_RESET_GROUPS … without group 4 of 0001:ff:1f.2 … pass them all",
      );

      expect(error.message).not.toContain("group 0");
      expect(fake.calls).toEqual(["enable"]);
    },
  );

  it.each(WAYS)("%s passes each group's fd once, whatever else is given", async (_, __, hotReset) => {
    await hotReset([9, 4, 0, 0].map((number) => fake.group(number)));

    expect(fake.calls).toEqual(["hot reset with groups 0,4"]);
  });

  it("groups without an IOMMU are groups like any other", () => {
    fake.noIommu = true;

    pci.hotReset(bothGroups());

    expect(fake.calls).toEqual(["hot reset with groups 0,4"]);
  });

  it("a device that was opened by iommufd: the kernel's device ids are not taken for groups", () => {
    fake.namesDeviceIds = true;

    const expected = "ERR_VFIO_HOT_RESET_GROUPS … names no groups for a hot reset of 0000:00:10.0";
    for (const call of [() => pci.hotResetDevices, () => pci.hotReset(bothGroups())])
      expectError(call, expected, { hint: "Open it through its group" });
    expect(fake.calls).toEqual([]);
  });

  it("what is no group is refused", () => {
    expectError(() => pci.hotReset([{ fd: 3 }]), "ERR_VFIO_HOT_RESET_GROUPS … fd 3 is not a VFIO group");
  });

  it("when the kernel refuses, every device is named with its driver where that may be the reason, and only there", () => {
    const ioctl = "VFIO_DEVICE_PCI_HOT_RESET";
    fake.refusals.reset = errnoOf("EINVAL");
    expectError(
      () => pci.hotReset(bothGroups()),
      `EINVAL … cannot hot reset 0000:00:10.0
        … must be bound to vfio-pci: 0000:00:10.0 (no driver) … 0001:ff:1f.2 (no driver)`,
      { ioctl },
    );

    fake.refusals.reset = errnoOf("EIO");
    expectError(() => pci.hotReset(bothGroups()), "EIO", { ioctl, hint: undefined });
  });

  it("when it refuses, and the devices cannot be looked at, the errno is told all the same", () => {
    fake.refusals.reset = errnoOf("EINVAL");
    const { readLink } = fake.kernel;
    using _ = useKernel({
      ...fake.kernel,
      readLink: (path) => (path.startsWith("/sys") ? errnoOf("EMFILE") : readLink(path)),
    });

    expectError(() => pci.hotReset(bothGroups()), "EINVAL", {
      ioctl: "VFIO_DEVICE_PCI_HOT_RESET",
      hint: undefined,
    });
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
  beforeEach(() => fake.addCapabilities());

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
    ["resets it", () => pci.reset()],
    ["resets its bus", () => pci.hotReset([fake.group(0)])],
    ["sets up interrupts", () => pci.setUpInterrupts()],
    ["opens the config space", () => pci.region(7).open()],
    ["asks for the power state", () => pci.powerState],
    ["brings it to D0", () => pci.bringToD0()],
  ])("who %s is told that it is gone, and nothing is held or written", (_, call) => {
    fake.addCapabilities();
    fake.bus = ALONE;
    fake.gone = true;
    const { command, power } = fake;

    expect(pci.present).toBe(false);
    expectError(call, "ERR_VFIO_DEVICE_GONE … 0000:00:10.0 does not answer");

    expect([fake.command, fake.power]).toEqual([command, power]);
    expect([fake.held.reasons.size, fake.calls]).toEqual([0, []]);
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
    ["a write of the config space", () => pci.config.write8(0x3c, 1)],
    ["its text", () => pci.config.describe()],
    ["a command bit", () => pci.config.command.set("busMaster", true)],
    ["its BARs", () => pci.bars],
    ["a BAR", () => pci.bar(0)],
    ["interrupts", () => pci.setUpInterrupts()],
    ["a reset", () => pci.reset()],
    ["a hot reset", () => pci.hotReset([])],
    ["a removal request", () => pci.onRemovalRequested(() => undefined)],
  ])("%s: it says so, and the device is as it was", (_, call) => {
    fake.bus = ALONE;
    pci.close();

    expectError(call, "ERR_VFIO_CLOSED … the PciDevice of 0000:00:10.0 is closed");

    expect(fake.command).toBe(MEMORY_SPACE);
    expect([fake.calls, fake.written]).toEqual([[], []]);
  });
});

describe("given values of the wrong type for what is switched", () => {
  it.each([1, 0, "on", null, undefined])("%j is neither true nor false, and nothing is written", (value) => {
    fake.command = 0;
    for (const [what, assign] of [
      ["busMaster", () => (pci.busMaster = value as never)],
      ["memorySpace", () => (pci.memorySpace = value as never)],
      ["ioSpace", () => (pci.ioSpace = value as never)],
      ["intxDisabled", () => pci.config.command.set("intxDisabled", value as never)],
    ] as const)
      expectError(assign, `ERR_VFIO_ARGUMENT … ${what} must be true or false, not `);
    expect(fake.command).toBe(0);
  });
});

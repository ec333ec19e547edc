import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { errorOf, expectError, expectRejection, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PciDevice } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

const MEMORY_SPACE = 1 << 1;
const BUS_MASTER = 1 << 2;

let fake: FakeDevice;
let undo: Disposable;
let pci: PciDevice;
beforeEach(() => {
  fake = new FakeDevice();
  fake.command = MEMORY_SPACE | BUS_MASTER;
  fake.onReset = () => (fake.command = 0);
  undo = useKernel(fake.kernel);
  pci = new PciDevice(fake.device);
});
afterEach(() => undo[Symbol.dispose]());

/** Holds the reset up until it is called. */
function slowReset(): () => void {
  let finish = (): void => undefined;
  fake.untilReset = new Promise<void>((resolve) => (finish = resolve));
  return finish;
}

describe("given a reset off the event loop", () => {
  it("does what the one in it does, in the same order", async () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();

    await pci.resetAsync();

    expect(fake.calls).toEqual(["enable", "disable", "reset", "enable"]);
    expect([fake.command, interrupts.enabled]).toEqual([MEMORY_SPACE | BUS_MASTER, true]);
    await pci.resetAsync({ restoreBusMaster: false, restoreInterrupts: false });
    expect([fake.command, interrupts.enabled]).toEqual([MEMORY_SPACE, false]);
  });

  it("of the whole bus, too", async () => {
    fake.bus = [{ bdf: "0000:00:10.0", group: 0 }];

    await pci.hotResetAsync([fake.group(0)]);

    expect(fake.calls).toEqual(["hot reset with groups 0"]);
    await expectRejection(pci.hotResetAsync([]), "ERR_VFIO_HOT_RESET_GROUPS");
  });

  it("the event loop goes on, with interrupts disabled, until the kernel is done", async () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    const finish = slowReset();

    const resetting = pci.resetAsync();
    await new Promise((resolve) => setImmediate(resolve));
    expect([interrupts.enabled, fake.calls]).toEqual([false, ["enable", "disable"]]);
    finish();
    await resetting;

    expect(interrupts.enabled).toBe(true);
  });

  it("that the kernel refuses: the errno is told, and interrupts are as before", async () => {
    fake.refusals.reset = errnoOf("EAGAIN");
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();

    await expectRejection(pci.resetAsync(), "EAGAIN … try again", { ioctl: "VFIO_DEVICE_RESET" });

    expect(interrupts.enabled).toBe(true);
  });

  it("interrupts that are closed meanwhile stay closed", async () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    const finish = slowReset();
    const resetting = pci.resetAsync();
    interrupts.close();
    finish();

    await resetting;

    expect(fake.calls).toEqual(["enable", "disable", "reset"]);
  });

  it("a device that is closed meanwhile: the reset goes on, nothing is brought back, and that is told", async () => {
    const finish = slowReset();
    const resetting = rejectionOf(pci.resetAsync());
    pci.close();
    finish();

    expect(await resetting).toMatchObject({ code: "ERR_VFIO_CLOSED" });

    expect([fake.calls, fake.command]).toEqual([["reset"], 0]);
  });

  it("a signal that is aborted before: nothing is reset, interrupts were never disabled", async () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    const signal = AbortSignal.abort(new Error("not now"));
    fake.bus = [{ bdf: "0000:00:10.0", group: 0 }];

    for (const resetting of [pci.resetAsync({ signal }), pci.hotResetAsync([fake.group(0)], { signal })])
      expect((await rejectionOf(resetting)).message).toBe("not now");

    expect([interrupts.enabled, fake.calls]).toEqual([true, ["enable"]]);
  });
});

describe("given a hot reset that the kernel refuses", () => {
  it.each(["EINVAL", "EIO"] as const)(
    "%s: the drivers are named where they may be the reason, and only there",
    (name) => {
      fake.bus = [{ bdf: "0000:00:10.0", group: 0 }];
      fake.refusals.reset = errnoOf(name);

      const error = errorOf(() => pci.hotReset([fake.group(0)]));

      expect(error).toMatchObject({ code: name, ioctl: "VFIO_DEVICE_PCI_HOT_RESET" });
      if (name === "EIO") expect(error.hint).toBeUndefined();
      else expect(error.hint).toContain("must be bound to vfio-pci: 0000:00:10.0 (no driver)");
    },
  );

  it("and whose devices cannot be looked at: the errno is told all the same", () => {
    fake.bus = [{ bdf: "0000:00:10.0", group: 0 }];
    fake.refusals.reset = errnoOf("EINVAL");
    const { readLink } = fake.kernel;
    using _ = useKernel({
      ...fake.kernel,
      readLink: (path) => (path.startsWith("/sys") ? errnoOf("EMFILE") : readLink(path)),
    });

    expectError(() => pci.hotReset([fake.group(0)]), "EINVAL", {
      ioctl: "VFIO_DEVICE_PCI_HOT_RESET",
      hint: undefined,
    });
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
    ] as const) {
      expectError(assign, `ERR_VFIO_ARGUMENT … ${what} must be true or false, not `);
    }
    expect(fake.command).toBe(0);
  });
});

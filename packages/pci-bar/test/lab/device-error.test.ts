import { expectError, leavesNothingBehind, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { ERROR_RNG, openDevice, reportError, until, type OpenDevice } from "./machine.js";

leavesNothingBehind();

/** Virtio 1.0, 4.1.4.3, the structure of the common configuration, which is at the start of this device's BAR4. */
const DEVICE_STATUS = 0x14;
const ACKNOWLEDGE = 1;

/** A device at work: registers mapped, interrupts on, and a wait that only the error ends. */
function atWork() {
  const rng = openDevice(ERROR_RNG);
  const registers = rng.pci.bar(4).map();
  registers.write8(DEVICE_STATUS, ACKNOWLEDGE);
  rng.pci.busMaster = true;
  const interrupts = rng.pci.setUpInterrupts({ vectors: 2 });
  interrupts.enable();
  const stop = new AbortController();
  rng.pci.onDeviceError(() => stop.abort(new Error("the device failed")));
  const waiting = rejectionOf(interrupts.vector(0).wait({ signal: stop.signal, timeoutMs: 20_000 }));
  return { ...rng, registers, interrupts, waiting, [Symbol.dispose]: () => rng[Symbol.dispose]() };
}

/** Reports a poisoned TLP, and waits until the kernel has dealt with it: the next one would be lost before that. */
async function reportNonfatalError({ pci }: Pick<OpenDevice, "pci">): Promise<void> {
  reportError("nonfatal");
  const status = () => pci.config.decode().capability("error-reporting")?.uncorrectableStatus;
  await until(() => status()?.poisonedTlp === false);
}

/** The kernel resets the link after it has told us; meanwhile it lets nobody at the config space. */
async function reportFatalError({ pci }: Pick<OpenDevice, "pci">): Promise<void> {
  reportError("fatal");
  await until(() => !pci.memorySpace);
}

function expectItWorks({ registers, interrupts }: ReturnType<typeof atWork>): void {
  expect(registers.read8(DEVICE_STATUS)).toBe(ACKNOWLEDGE);
  interrupts.trigger(1);
  expect(interrupts.vector(1).poll()).toBe(1);
}

describe("given a device behind a root port, which reports an uncorrectable error while a program waits", () => {
  it("not fatal: the program hears of it; the kernel has cleared the status, and the device is as it was", async () => {
    using rng = atWork();

    await reportNonfatalError(rng);

    expect((await rng.waiting).message).toBe("the device failed");
    expect([rng.pci.present, rng.pci.memorySpace, rng.pci.busMaster]).toEqual([true, true, true]);
    expectItWorks(rng);
  });

  it("each error is told once to every listener, and after close to none", async () => {
    using rng = openDevice(ERROR_RNG);
    const heard: string[] = [];
    const first = rng.pci.onDeviceError(() => heard.push("first"));
    rng.pci.onDeviceError(() => heard.push("second"));

    await reportNonfatalError(rng);
    await until(() => heard.length >= 2);
    first[Symbol.dispose]();
    await reportNonfatalError(rng);
    await until(() => heard.length >= 3);

    expect(heard).toEqual(["first", "second", "second"]);
    rng.pci.close();
    expectError(() => rng.pci.onDeviceError(() => undefined), "ERR_VFIO_CLOSED");
  });

  it("fatal: the kernel resets the link, and the device has neither addresses nor state; opened anew it works", async () => {
    {
      using rng = atWork();

      await reportFatalError(rng);

      expect((await rng.waiting).message).toBe("the device failed");
      expect([rng.pci.present, rng.pci.busMaster]).toEqual([true, false]);
      expectError(() => rng.pci.bar(4).open(), "ERR_VFIO_MEMORY_SPACE_DISABLED");
      expect(rng.registers.read8(DEVICE_STATUS)).not.toBe(ACKNOWLEDGE);
    }

    using again = atWork();
    expectItWorks(again);
    await reportNonfatalError(again);
    expect((await again.waiting).message).toBe("the device failed");
  });

  it("fatal, and kept open: with memory space and interrupts switched on again it works, from reset values on", async () => {
    using rng = atWork();
    await reportFatalError(rng);
    await rng.waiting;

    rng.pci.memorySpace = true;
    rng.interrupts.disable();
    rng.interrupts.enable();

    expect(rng.registers.read8(DEVICE_STATUS)).toBe(0);
    rng.registers.write8(DEVICE_STATUS, ACKNOWLEDGE);
    expectItWorks(rng);
  });
});

import { expectError, leavesNothingBehind, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { HOTPLUG_EDU, isThere, openDevice, plugIn, unplug, until } from "./machine.js";

leavesNothingBehind();

const RAISE = 0x60;
const IDENTIFICATION = 0x00;

describe("given a device that is unplugged while a program waits for its interrupts", () => {
  it("the program hears of it, closes in order, and the device goes; put back, it works again", async () => {
    using edu = openDevice(HOTPLUG_EDU);
    const bar = edu.pci.bar(0).map();
    edu.pci.busMaster = true;
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    const stop = new AbortController();
    edu.pci.onRemovalRequested(() => stop.abort(new Error("the device is wanted back")));
    const waiting = rejectionOf(interrupts.vector(0).wait({ signal: stop.signal }));

    unplug();

    expect((await waiting).message).toBe("the device is wanted back");
    expect(isThere(HOTPLUG_EDU)).toBe(true);
    expect(bar.read32(IDENTIFICATION) >>> 0).toBe(0x010000ed);
    bar.write32(RAISE, 1);
    expect(await interrupts.vector(0).wait({ timeoutMs: 5000 })).toBe(1);
    edu[Symbol.dispose]();
    await until(() => !isThere(HOTPLUG_EDU));
    expectError(() => bar.read32(IDENTIFICATION), "ERR_VFIO_CLOSED");
    expectError(() => interrupts.enable(), "ERR_VFIO_CLOSED");

    await plugIn();
    using again = openDevice(HOTPLUG_EDU);
    expect(again.pci.bar(0).map().read32(IDENTIFICATION) >>> 0).toBe(0x010000ed);
  });

  it("who does not listen keeps the device until it is closed, and other waits go on", async () => {
    using edu = openDevice(HOTPLUG_EDU);
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    const waiting = interrupts.vector(0).wait({ timeoutMs: 20_000 });

    unplug();
    interrupts.trigger(0);
    expect(await waiting).toBe(1);
    edu[Symbol.dispose]();

    await until(() => !isThere(HOTPLUG_EDU));
    await plugIn();
  });
});

import { createMemoryFile, LinearMemory, Mapping } from "@vfio/ioctl-native";
import { expectError, leavesNothingBehind, rejectionOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { PciDevice } from "../../src/index.js";
import { HOTPLUG_EDU, isThere, openDevice, plugIn, SLOT, unplug, until } from "./machine.js";
import { powered } from "./slot.js";

leavesNothingBehind();

const RAISE = 0x60;
const IDENTIFICATION = 0x00;
const LIVENESS = 0x04;
const EDU_IS = 0x010000ed;

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

/** The edu's BAR within a memory, and its registers as any code sees them that has the memory. */
function openWithin(pci: PciDevice, memory: LinearMemory) {
  const bar = pci.bar(0).open({ within: memory });
  const address = bar.windows[0]?.place?.address;
  return { bar, address, registers: new Int32Array(memory.buffer, address, 2) };
}

/** Reads the identification again and again, until the condition is true: all that was seen. */
async function readsUntil(registers: Int32Array, condition: () => boolean): Promise<Set<number>> {
  const seen = new Set<number>();
  await until(() => {
    for (let turn = 0; turn < 1000; turn++) seen.add(Atomics.load(registers, IDENTIFICATION));
    return condition();
  });
  return seen;
}

describe("given a BAR within the program's WebAssembly memory, which the program reads all the time", () => {
  it("when the device is wanted back, then it answers until it is closed, zeroes lie there then, and put back it lies at the same place", async () => {
    const memory = new LinearMemory({ bytes: 4 << 20 });
    using edu = openDevice(HOTPLUG_EDU);
    const { bar, address, registers } = openWithin(edu.pci, memory);
    let wanted = false;
    edu.pci.onRemovalRequested(() => (wanted = true));

    unplug();
    expect(await readsUntil(registers, () => wanted)).toEqual(new Set([EDU_IS]));
    edu[Symbol.dispose]();
    expect(await readsUntil(registers, () => !isThere(HOTPLUG_EDU))).toEqual(new Set([0]));
    expectError(() => bar.read32(IDENTIFICATION), "ERR_VFIO_CLOSED");

    await plugIn();
    using again = openDevice(HOTPLUG_EDU);
    expect(openWithin(again.pci, memory).address).toBe(address);
    expect(registers[IDENTIFICATION]).toBe(EDU_IS);
  });

  it("when its slot loses power, then it reads on, the next check says that the device is gone, and the memory can be used", async () => {
    const memory = new LinearMemory({ bytes: 4 << 20 });
    using edu = openDevice(HOTPLUG_EDU);
    const { bar, address, registers } = openWithin(edu.pci, memory);
    bar.write32(LIVENESS, 5);
    expect(registers[1]).toBe(~5);

    powered(SLOT, false);
    try {
      // This machine's bus answers with zeroes where a real one answers with ones.
      const seen = await readsUntil(registers, () => bar.read32(IDENTIFICATION) !== EDU_IS);
      expect([0, EDU_IS]).toEqual(expect.arrayContaining([...seen]));
      expect(edu.pci.present).toBe(false);
      for (const check of [() => edu.pci.bar(0).open({ within: memory }), () => edu.pci.powerState])
        expectError(check, `ERR_VFIO_DEVICE_GONE … ${HOTPLUG_EDU} does not answer`);
      bar.close();
      using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
      using next = Mapping.map({ file, bytes: 4096, within: memory });
      next.registers.write32(0, 7);
      expect([next.place?.address, registers[0]]).toEqual([address, 7]);
    } finally {
      powered(SLOT, true);
      edu[Symbol.dispose]();
    }

    using again = openDevice(HOTPLUG_EDU);
    expect(openWithin(again.pci, memory).registers[IDENTIFICATION]).toBe(EDU_IS);
  });
});

import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { vfioConstants } from "@vfio/ioctl-native/vfio";
import { errorOf, expectError, rejectionOf } from "@vfio/test-support";
import { beforeEach, describe, expect, it } from "vitest";
import { PciDevice, type InterruptOptions, type Interrupts } from "../src/index.js";
import { FakeDevice } from "./fake-device.js";

let fake: FakeDevice;
let pci: PciDevice;
beforeEach(() => {
  fake = new FakeDevice();
  const kernel = useKernel(fake.kernel);
  pci = new PciDevice(fake.device);
  return () => kernel[Symbol.dispose]();
});

function enabledInterrupts(options?: InterruptOptions): Interrupts {
  const interrupts = pci.setUpInterrupts(options);
  interrupts.enable();
  return interrupts;
}

const NOTHING = { eventfds: new Set(), mappings: new Set(), reasons: new Set() };

describe("given enabled interrupts of a device that is gone", () => {
  it("closing them says so, and gives everything back all the same", () => {
    const interrupts = pci.setUpInterrupts();
    let told = 0;
    interrupts.onClose(() => told++);
    interrupts.enable();
    fake.refusals.setIrqs = errnoOf("ENODEV");

    expectError(() => interrupts.close(), "ENODEV … cannot disable the msi interrupts of 0000:00:10.0", {
      ioctl: "VFIO_DEVICE_SET_IRQS",
    });

    expect(fake.held).toEqual(NOTHING);
    expect(told).toBe(1);
    expect(interrupts.enabled).toBe(false);
    for (const use of [
      () => interrupts.enable(),
      () => interrupts.unmask(),
      () => interrupts.vector(0).poll(),
    ])
      expectError(use, "ERR_VFIO_CLOSED");
    expectError(() => interrupts.vector(1), "ERR_VFIO_INTERRUPT_VECTORS");
    interrupts.close();
    expect(told).toBe(1);
  });

  it("whoever still waits for one is told that they are closed", async () => {
    const interrupts = enabledInterrupts();
    const waits = [1, 2].map(() => rejectionOf(interrupts.vector(0).wait()));
    fake.refusals.setIrqs = errnoOf("ENODEV");

    errorOf(() => interrupts.close());

    for (const error of await Promise.all(waits)) expect(error).toMatchObject({ code: "ERR_VFIO_CLOSED" });
  });

  it("the PciDevice closes what comes after them, too, and throws that one error", () => {
    enabledInterrupts();
    const bar = pci.bar(0).map();
    let told = 0;
    bar.onClose(() => told++);
    fake.refusals.setIrqs = errnoOf("ENODEV");

    expectError(() => pci.close(), "ENODEV");

    expect(told).toBe(1);
    expect(fake.held).toEqual(NOTHING);
    pci.close();
  });

  it("when unmapping fails as well, the PciDevice closes all and throws both errors", () => {
    enabledInterrupts();
    pci.bar(0).map();
    fake.refusals.setIrqs = errnoOf("ENODEV");
    fake.refusals.unmap = errnoOf("ENOMEM");

    const error = errorOf(() => pci.close());

    expect(error).toBeInstanceOf(AggregateError);
    expect(error).toMatchObject({
      code: "ERR_VFIO_SEVERAL",
      errors: [{ code: "ENODEV" }, { code: "ENOMEM" }],
    });
    expect(fake.held).toEqual(NOTHING);
  });
});

describe("given a device whose interrupts are set up", () => {
  it("setting up others is refused, whatever their type, and the first ones are left alone", () => {
    const first = pci.setUpInterrupts();

    expectError(
      () => pci.setUpInterrupts({ type: "intx" }),
      "ERR_VFIO_INTERRUPTS_IN_USE … 0000:00:10.0 has msi interrupts set up already … interrupts.close()",
    );

    expect(fake.held.eventfds).toEqual(new Set([first.vector(0).fd]));
  });

  it("once they are closed, others may come", () => {
    pci.setUpInterrupts().close();

    expect(pci.setUpInterrupts({ type: "intx" }).type).toBe("intx");
  });

  it("a set-up that fails is in nobody's way", () => {
    expectError(() => pci.setUpInterrupts({ type: "msix" }), "ERR_VFIO_NO_INTERRUPT");

    expect(pci.setUpInterrupts().type).toBe("msi");
  });

  it("INTx is unmasked only between enable and disable", () => {
    const interrupts = pci.setUpInterrupts({ type: "intx" });

    expectError(
      () => interrupts.unmask(),
      "ERR_VFIO_INTERRUPTS_DISABLED … intx interrupts of 0000:00:10.0 … interrupts.enable()",
    );

    interrupts.enable();
    interrupts.unmask();
    interrupts.disable();
    expectError(() => interrupts.unmask(), "ERR_VFIO_INTERRUPTS_DISABLED");
  });
});

describe("given INTx that is masked", () => {
  it("it is masked before it can come, whenever it is enabled anew, until it is unmasked", () => {
    const interrupts = enabledInterrupts({ type: "intx" });
    interrupts.mask();
    fake.calls.length = 0;

    pci.reset();
    expect(fake.calls).toEqual(["disable", "reset", "enable without an eventfd", "mask", "enable"]);
    fake.calls.length = 0;
    interrupts.disable();
    interrupts.enable();
    expect(fake.calls).toEqual(["disable", "enable without an eventfd", "mask", "enable"]);

    interrupts.unmask();
    fake.calls.length = 0;
    pci.reset();
    expect(fake.calls).toEqual(["disable", "reset", "enable"]);
  });

  it("what the kernel refused was not done, and a mask that fails leaves nothing enabled", () => {
    const interrupts = enabledInterrupts({ type: "intx" });
    fake.refusals.setIrqs = errnoOf("EINVAL");
    expectError(() => interrupts.mask(), "EINVAL");
    delete fake.refusals.setIrqs;
    fake.calls.length = 0;
    pci.reset();
    expect(fake.calls).toEqual(["disable", "reset", "enable"]);

    interrupts.mask();
    interrupts.disable();
    fake.calls.length = 0;
    fake.refuseMask = true;
    expectError(() => interrupts.enable(), "EINVAL … cannot mask the intx interrupts of 0000:00:10.0");
    expect(interrupts.enabled).toBe(false);
    expect(fake.calls).toEqual(["enable without an eventfd", "disable"]);
  });
});

describe("given two PciDevices on one device", () => {
  let second: PciDevice;
  beforeEach(() => {
    second = new PciDevice(fake.device);
  });

  it("the second sees the first one's interrupts: it sets up none, and its reset enables them again", () => {
    const interrupts = enabledInterrupts();

    expectError(() => second.setUpInterrupts(), "ERR_VFIO_INTERRUPTS_IN_USE");
    second.reset();
    expect(fake.calls).toEqual(["enable", "disable", "reset", "enable"]);
    second.close();
    expect(interrupts.enabled).toBe(true);
    pci.close();
    expect(fake.held).toEqual(NOTHING);
  });

  it("the second takes no memory away under the first one's mapping, by whatever way", () => {
    fake.addCapabilities();
    const mapped = pci.bar(0).map();

    for (const call of [
      () => (second.memorySpace = false),
      () => second.config.write16(0x04, 0),
      () => second.config.write16(0x44, 3),
      () => second.reset({ restoreMemorySpace: false }),
    ])
      expectError(call, "ERR_VFIO_MEMORY_SPACE_IN_USE … still mapped: BAR0 of 0000:00:10.0");

    second.close();
    expect(fake.held.mappings.size).toBe(1);
    mapped.close();
    pci.memorySpace = false;
    expect(pci.memorySpace).toBe(false);
  });

  it("each has as many listeners as it likes", () => {
    const listeners = [pci.onRemovalRequested(() => undefined), pci.onRemovalRequested(() => undefined)];

    for (const each of listeners) each[Symbol.dispose]();
    pci.close();
    second.close();
    expect(fake.held).toEqual(NOTHING);
  });

  it("the second does not take the first one's removal request away; after its close, it may have it", () => {
    pci.onRemovalRequested(() => undefined);

    expectError(
      () => second.onRemovalRequested(() => undefined),
      "ERR_VFIO_INTERRUPTS_IN_USE … another PciDevice of 0000:00:10.0 listens to its removal request interrupt",
    );

    pci.close();
    second.onRemovalRequested(() => undefined);
    second.close();
    expect(fake.held).toEqual(NOTHING);
  });
});

describe("given a Bar from before its PciDevice was closed", () => {
  it("it maps nothing any more", () => {
    const bar = pci.bar(0);
    pci.close();

    expectError(() => bar.map(), "ERR_VFIO_CLOSED … 0000:00:10.0");

    expect(fake.held).toEqual(NOTHING);
  });

  it("before the close it maps, and the close unmaps", () => {
    pci.bar(0).map();
    expect(fake.held.mappings.size).toBe(1);

    pci.close();

    expect(fake.held).toEqual(NOTHING);
  });
});

describe("given a kernel that cannot do all that is asked", () => {
  it("fewer vectors than asked for: vfio-pci returns how many there were, which is no success", () => {
    fake.irq = { ...fake.irq, count: 8 };
    const interrupts = pci.setUpInterrupts({ vectors: 8 });
    fake.refusals.setIrqs = 4;

    expectError(
      () => interrupts.enable(),
      "ERR_VFIO_INTERRUPT_VECTORS … has 4 vectors left for the msi interrupts of 0000:00:10.0, not 8",
    );

    expect(interrupts.enabled).toBe(false);
  });

  it("no vector left, neither for the first ones nor for more: that is told as what it is, not as a full disk", () => {
    fake.irq = { ...fake.irq, count: 1024 };
    const interrupts = pci.setUpInterrupts({ vectors: 1000 });
    fake.refusals.setIrqs = errnoOf("ENOSPC");

    expectError(
      () => interrupts.enable(),
      "ERR_VFIO_INTERRUPT_VECTORS … too few vectors left for the msi interrupts of 0000:00:10.0, not 1000",
      { hint: "Set up fewer" },
    );

    expect(interrupts.enabled).toBe(false);
    delete fake.refusals.setIrqs;
    interrupts.enable();
    fake.refusals.setIrqs = errnoOf("ENOSPC");
    expectError(() => interrupts.addVectors(24), "… not 1024");
  });

  it("no vectors can be added to enabled ones: said with the way around, which works", () => {
    fake.irq = { count: 8, flags: fake.irq.flags | vfioConstants.VFIO_IRQ_INFO_NORESIZE };
    const interrupts = enabledInterrupts({ vectors: 2, start: 1 });

    expectError(
      () => interrupts.addVectors(),
      "ERR_VFIO_INTERRUPTS_NOT_RESIZABLE … cannot add vectors to the msi interrupts of 0000:00:10.0",
      { hint: "Disable them, add the vectors, and enable them again; or set up enough from the start" },
    );
    interrupts.disable();

    expect(interrupts.addVectors(2).map(({ number }) => number)).toEqual([3, 4]);
    expect(interrupts.vectors.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });

  it("vectors that the kernel does not take are given back, and the others stay", () => {
    fake.irq = { ...fake.irq, count: 8 };
    const interrupts = enabledInterrupts();
    fake.refusals.setIrqs = errnoOf("ENOMEM");

    expectError(() => interrupts.addVectors(3), "ENOMEM");

    expect(interrupts.vectors).toEqual([interrupts.vector(0)]);
    expect(fake.held.eventfds).toEqual(new Set([interrupts.vector(0).fd]));
  });

  it.each([
    [{ vectors: 0 }, "0 cannot be set up"],
    [{ vectors: 2.5 }, "2.5 cannot be set up"],
    [{ vectors: 9 }, "9 cannot be set up"],
    [{ start: -1 }, "1 from -1 on cannot be set up"],
    [{ start: 7, vectors: 2 }, "2 from 7 on cannot be set up"],
    [{ start: NaN }, "1 from NaN on cannot be set up"],
  ])("%j of 8 vectors are refused, and nothing is left", (options, problem) => {
    fake.irq = { ...fake.irq, count: 8 };

    const error = errorOf(() => pci.setUpInterrupts(options));

    expect(error).toMatchObject({ code: "ERR_VFIO_INTERRUPT_VECTORS", name: "VfioRangeError" });
    expect(error.message).toContain(`0000:00:10.0 has 8 msi vectors; ${problem}`);
    expect(fake.held).toEqual(NOTHING);
  });

  it("a notice that the kernel does not wire leaves nothing", () => {
    fake.refusals.setIrqs = errnoOf("ENODEV");

    expectError(
      () => pci.onRemovalRequested(() => undefined),
      "ENODEV … cannot enable the removal request interrupt of 0000:00:10.0",
    );

    expect(fake.held).toEqual(NOTHING);
  });
});

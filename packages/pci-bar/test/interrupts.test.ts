import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { errorOf, rejectionOf } from "@vfio/test-support";
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

const NOTHING = { eventfds: new Set(), mappings: new Set(), reasons: new Set() };

describe("given enabled interrupts of a device that is gone", () => {
  it("closing them says so, and gives everything back all the same", () => {
    const interrupts = pci.setUpInterrupts();
    let told = 0;
    interrupts.onClose(() => told++);
    interrupts.enable();
    fake.refusals.setIrqs = errnoOf("ENODEV");

    const error = errorOf(() => interrupts.close());

    expect(error).toMatchObject({ code: "ENODEV", ioctl: "VFIO_DEVICE_SET_IRQS" });
    expect(error.message).toContain("cannot disable the msi interrupts of 0000:00:10.0");
    expect(fake.held).toEqual(NOTHING);
    expect(told).toBe(1);
    expect(interrupts.enabled).toBe(false);
    expect(errorOf(() => interrupts.enable())).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    interrupts.close();
    expect(told).toBe(1);
  });

  it("whoever still waits for one is told that they are closed", async () => {
    const interrupts = pci.setUpInterrupts();
    interrupts.enable();
    const waits = [1, 2].map(() => rejectionOf(interrupts.vector(0).wait()));
    fake.refusals.setIrqs = errnoOf("ENODEV");

    errorOf(() => interrupts.close());

    for (const error of await Promise.all(waits)) expect(error).toMatchObject({ code: "ERR_VFIO_CLOSED" });
  });

  it("the PciDevice closes what comes after them, too, and throws that one error", () => {
    pci.setUpInterrupts().enable();
    const bar = pci.bar(0).map();
    let told = 0;
    bar.onClose(() => told++);
    fake.refusals.setIrqs = errnoOf("ENODEV");

    expect(errorOf(() => pci.close())).toMatchObject({ code: "ENODEV" });

    expect(told).toBe(1);
    expect(fake.held).toEqual(NOTHING);
    pci.close();
  });

  it("when unmapping fails as well, the PciDevice closes all and throws both errors", () => {
    pci.setUpInterrupts().enable();
    pci.bar(0).map();
    fake.refusals.setIrqs = errnoOf("ENODEV");
    fake.refusals.unmap = errnoOf("ENOMEM");

    const error = errorOf(() => pci.close());

    expect(error).toBeInstanceOf(AggregateError);
    expect(error).toMatchObject({ errors: [{ code: "ENODEV" }, { code: "ENOMEM" }] });
    expect(fake.held).toEqual(NOTHING);
  });
});

describe("given a device whose interrupts are set up", () => {
  it("setting up others is refused, whatever their type, and the first ones are left alone", () => {
    const first = pci.setUpInterrupts();

    const error = errorOf(() => pci.setUpInterrupts({ type: "intx" }));

    expect(error).toMatchObject({ code: "ERR_VFIO_INTERRUPTS_IN_USE" });
    expect(error.message).toContain("0000:00:10.0 has msi interrupts set up already");
    expect(error.hint).toContain("interrupts.close()");
    expect(fake.held.eventfds).toEqual(new Set([first.vector(0).fd]));
  });

  it("once they are closed, others may come", () => {
    pci.setUpInterrupts().close();

    expect(pci.setUpInterrupts({ type: "intx" }).type).toBe("intx");
  });

  it("a set-up that fails is in nobody's way", () => {
    expect(errorOf(() => pci.setUpInterrupts({ type: "msix" }))).toMatchObject({
      code: "ERR_VFIO_NO_INTERRUPT",
    });

    expect(pci.setUpInterrupts().type).toBe("msi");
  });

  it("INTx is unmasked only between enable and disable", () => {
    const interrupts = pci.setUpInterrupts({ type: "intx" });

    const error = errorOf(() => interrupts.unmask());
    expect(error).toMatchObject({ code: "ERR_VFIO_INTERRUPTS_DISABLED" });
    expect(error.message).toContain("intx interrupts of 0000:00:10.0");
    expect(error.hint).toContain("interrupts.enable()");

    interrupts.enable();
    interrupts.unmask();
    interrupts.disable();
    expect(errorOf(() => interrupts.unmask())).toMatchObject({ code: "ERR_VFIO_INTERRUPTS_DISABLED" });
  });
});

describe("given a Bar from before its PciDevice was closed", () => {
  it("it maps nothing any more", () => {
    const bar = pci.bar(0);
    pci.close();

    const error = errorOf(() => bar.map());

    expect(error).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(error.message).toContain("0000:00:10.0");
    expect(fake.held).toEqual(NOTHING);
  });

  it("before the close it maps, and the close unmaps", () => {
    pci.bar(0).map();
    expect(fake.held.mappings.size).toBe(1);

    pci.close();

    expect(fake.held).toEqual(NOTHING);
  });
});

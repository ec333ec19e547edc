import { errorOf, processState, rejectionOf } from "@vfio/test-support";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InterruptType, OpenRegion } from "../../src/index.js";
import { EDU, NVME, openDevice } from "./machine.js";

const RAISE = 0x60;
const ACKNOWLEDGE = 0x64;
const STATUS = 0x24;

let before: ReturnType<typeof processState>;
beforeEach(() => {
  before = processState();
});
afterEach(() => {
  expect(processState()).toEqual(before);
});

/** Makes edu interrupt, for the reason given. */
function raise(bar: OpenRegion, reason = 1): void {
  bar.write32(RAISE, reason);
}

function acknowledge(bar: OpenRegion): void {
  bar.write32(ACKNOWLEDGE, bar.read32(STATUS));
}

describe("given devices with different interrupts", () => {
  it("the best type is chosen: MSI for edu, MSI-X for nvme", () => {
    using edu = openDevice(EDU);
    using nvme = openDevice(NVME);

    expect(edu.pci.setUpInterrupts().info).toMatchObject({ type: "msi", vectors: 1, eventfd: true });
    expect(nvme.pci.setUpInterrupts({ vectors: 3 }).info).toMatchObject({
      type: "msix",
      vectors: 65,
      eventfd: true,
    });
  });

  it("a type can be forced, and one that the device has not is refused", () => {
    using edu = openDevice(EDU);

    const intx = edu.pci.setUpInterrupts({ type: "intx" });
    expect(intx.info).toMatchObject({ type: "intx", automasked: true });
    intx.close();
    const error = errorOf(() => edu.pci.setUpInterrupts({ type: "msix" }));
    expect(error).toMatchObject({ code: "ERR_VFIO_NO_INTERRUPT" });
    expect(error.message).toContain(`${EDU} has no msix`);
  });

  it("more vectors than the device has are refused, with the number it has", () => {
    using nvme = openDevice(NVME);

    const error = errorOf(() => nvme.pci.setUpInterrupts({ vectors: 66 }));

    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toContain("has 65 msix vectors; 66 cannot be set up");
  });
});

describe.each<InterruptType>(["msi", "intx"])("given edu's %s, set up", (type) => {
  it("nothing is delivered before enable, everything after, nothing after disable", async () => {
    using edu = openDevice(EDU);
    const bar = edu.pci.bar(0).map();
    edu.pci.busMaster = true;
    const interrupts = edu.pci.setUpInterrupts({ type });
    const vector = interrupts.vector(0);

    expect(interrupts.enabled).toBe(false);
    expect((await rejectionOf(vector.wait({ timeoutMs: 50 }))).message).toContain(
      `${type} interrupt of ${EDU}, vector 0`,
    );

    interrupts.enable();
    raise(bar);
    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
    acknowledge(bar);

    interrupts.disable();
    raise(bar);
    expect(await rejectionOf(vector.wait({ timeoutMs: 50 }))).toMatchObject({ code: "ERR_VFIO_TIMEOUT" });
    acknowledge(bar);
  });

  it("an async iterator gives interrupt after interrupt", async () => {
    using edu = openDevice(EDU);
    const bar = edu.pci.bar(0).map();
    edu.pci.busMaster = true;
    const interrupts = edu.pci.setUpInterrupts({ type });
    interrupts.enable();
    raise(bar);

    let seen = 0;
    for await (const count of interrupts.vector(0)) {
      seen += count;
      acknowledge(bar);
      if (type === "intx") interrupts.unmask();
      if (seen === 3) break;
      raise(bar);
    }

    expect(seen).toBe(3);
  });
});

describe("given a wait for an interrupt that does not come", () => {
  it("an AbortSignal ends it, and so does one that was aborted before", async () => {
    using edu = openDevice(EDU);
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    const controller = new AbortController();

    const waiting = rejectionOf(interrupts.vector(0).wait({ signal: controller.signal }));
    controller.abort();

    expect((await waiting).name).toBe("AbortError");
    expect((await rejectionOf(interrupts.vector(0).wait({ signal: controller.signal }))).name).toBe(
      "AbortError",
    );
  });

  it("other work goes on meanwhile", async () => {
    using edu = openDevice(EDU);
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);

    await rejectionOf(interrupts.vector(0).wait({ timeoutMs: 200 }));
    clearInterval(timer);

    expect(ticks).toBeGreaterThan(10);
  });
});

describe("given interrupts that are closed", () => {
  it("their vectors and enable say so; closing twice does nothing", () => {
    using edu = openDevice(EDU);
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    interrupts.close();
    interrupts.close();

    expect(errorOf(() => interrupts.enable())).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(errorOf(() => interrupts.vector(0).poll())).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(errorOf(() => interrupts.vector(1))).toMatchObject({ code: "ERR_VFIO_INTERRUPT_VECTORS" });
  });

  it("whoever still waits for one is told, instead of waiting for ever", async () => {
    using edu = openDevice(EDU);
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    const waiting = rejectionOf(interrupts.vector(0).wait());

    interrupts.close();

    expect(await waiting).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(errorOf(() => interrupts.unmask())).toMatchObject({ code: "ERR_VFIO_CLOSED" });
  });

  it("many vectors are enabled and disabled at once", () => {
    using nvme = openDevice(NVME);
    const interrupts = nvme.pci.setUpInterrupts({ vectors: 65 });

    interrupts.enable();
    interrupts.disable();
    interrupts.enable();

    expect(interrupts.enabled).toBe(true);
    expect(errorOf(() => interrupts.unmask())).toMatchObject({ code: "ERR_VFIO_NOT_MASKABLE" });
  });
});

import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { ioctl } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { expectError, expectRejection, leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { Interrupts, InterruptType, InterruptVector, OpenRegion, VfioDevice } from "../../src/index.js";
import { E1000E, EDU, NVME, openDevice, openInterrupting, TEST_DEVICE, until } from "./machine.js";

/** The built package: a worker has a module graph of its own. */
const BUILT = pathToFileURL(path.join(import.meta.dirname, "../../../ioctl-native/dist/vfio/index.js")).href;
const RAISE = 0x60;
const ACKNOWLEDGE = 0x64;
const STATUS = 0x24;

leavesNothingBehind();

/** Has a worker raise `count` interrupts on the first vectors, by the kernel's loopback; `fired` is what it raises. */
function stormFromWorker(fd: number, vectors: number, count: number): { storm: Worker; fired: number[] } {
  const numbers = Array.from({ length: count }, (_, turn) => (turn * 7 + (turn >> 4)) % vectors);
  const fired = Array.from({ length: vectors }, (_, vector) => numbers.filter((n) => n === vector).length);
  const flags = vfioConstants.VFIO_IRQ_SET_DATA_NONE | vfioConstants.VFIO_IRQ_SET_ACTION_TRIGGER;
  const index = vfioConstants.VFIO_PCI_MSIX_IRQ_INDEX;
  const program = `
    const { workerData: { fd, numbers, flags, index } } = require("node:worker_threads");
    import(${JSON.stringify(BUILT)}).then(({ setIrqs }) => {
      for (const start of numbers) setIrqs({ fd }, { flags, index, start, count: 1 });
    });`;
  const storm = new Worker(program, { eval: true, workerData: { fd, numbers, flags, index }, execArgv: [] });
  return { storm, fired };
}

/** True once the worker has ended; leaves it and the event loop a moment. */
async function isOver(worker: Worker): Promise<boolean> {
  await setImmediate();
  return worker.threadId === -1;
}

/** Makes edu interrupt, for the reason given. */
function raise(bar: OpenRegion, reason = 1): void {
  bar.write32(RAISE, reason);
}

/** An edu with its interrupts set up but not enabled. */
function openEdu(type: InterruptType) {
  const edu = openDevice(EDU);
  const bar = edu.pci.bar(0).map();
  edu.pci.busMaster = true;
  const interrupts = edu.pci.setUpInterrupts({ type });
  return { ...edu, bar, interrupts, vector: interrupts.vector(0) };
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
    expectError(
      () => edu.pci.setUpInterrupts({ type: "msix" }),
      `ERR_VFIO_NO_INTERRUPT … ${EDU} has no msix`,
    );
  });
});

describe.each<InterruptType>(["msi", "intx"])("given edu's %s, set up", (type) => {
  it("nothing is delivered before enable, everything after, nothing after disable", async () => {
    using edu = openEdu(type);
    const { bar, interrupts, vector } = edu;

    expect(interrupts.enabled).toBe(false);
    await expectRejection(vector.wait({ timeoutMs: 50 }), `… ${type} interrupt of ${EDU}, vector 0`);

    interrupts.enable();
    raise(bar);
    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
    acknowledge(bar);
    if (type === "intx") interrupts.unmask();
    raise(bar);
    expect(vector.waitSync({ timeoutMs: 5000 })).toBe(1);
    acknowledge(bar);

    interrupts.disable();
    raise(bar);
    await expectRejection(vector.wait({ timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");
    acknowledge(bar);
  });

  it("an async iterator gives interrupt after interrupt", async () => {
    using edu = openEdu(type);
    const { bar, interrupts, vector } = edu;
    interrupts.enable();
    raise(bar);

    let seen = 0;
    for await (const count of vector) {
      seen += count;
      acknowledge(bar);
      if (type === "intx") interrupts.unmask();
      if (seen === 3) break;
      raise(bar);
    }

    expect(seen).toBe(3);
  });
});

describe("given many vectors", () => {
  it("they are enabled and disabled at once", () => {
    using nvme = openInterrupting(NVME, { vectors: 65 });
    const { interrupts } = nvme;

    interrupts.disable();
    interrupts.enable();

    expect(interrupts.enabled).toBe(true);
    expectError(() => interrupts.unmask(), "ERR_VFIO_NOT_MASKABLE");
  });
});

describe("given edu's INTx, whose line stays up until the device is served", () => {
  it("it comes once, and again only after unmask; the same interrupt again if it was not served", async () => {
    using edu = openEdu("intx");
    const { bar, interrupts, vector } = edu;
    interrupts.enable();

    raise(bar);
    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
    await expectRejection(vector.wait({ timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");
    interrupts.unmask();
    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);

    acknowledge(bar);
    interrupts.unmask();
    await expectRejection(vector.wait({ timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");
  });

  it("masked, it is held back; unmask lets it through", async () => {
    using edu = openEdu("intx");
    const { bar, interrupts, vector } = edu;
    interrupts.enable();

    interrupts.mask();
    raise(bar);
    await expectRejection(vector.wait({ timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");
    interrupts.unmask();

    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
    acknowledge(bar);
  });

  it("masked, it stays so when it is disabled and enabled, though its line is up; unmask lets it through", async () => {
    using edu = openEdu("intx");
    const { bar, interrupts, vector } = edu;
    interrupts.enable();
    interrupts.mask();

    interrupts.disable();
    raise(bar);
    interrupts.enable();
    await expectRejection(vector.wait({ timeoutMs: 50 }), "ERR_VFIO_TIMEOUT");

    interrupts.unmask();
    expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
    acknowledge(bar);
  });
});

describe.each<[string, InterruptType, number]>([
  [EDU, "intx", 1],
  [EDU, "msi", 1],
  [NVME, "intx", 1],
  [NVME, "msix", 65],
  [E1000E, "intx", 1],
  [E1000E, "msi", 1],
  [E1000E, "msix", 5],
])("given all vectors of %s's %s: %d", (bdf, type, vectors) => {
  it("each is triggered by its number, alone or with others, and no other comes", () => {
    using open = openInterrupting(bdf, { type, vectors });
    const { interrupts } = open;
    const counts = (): number[] => interrupts.vectors.map((vector) => vector.poll());
    expect(counts()).toEqual(new Array<number>(vectors).fill(0));

    for (const { number } of interrupts.vectors) {
      interrupts.trigger(number);
      expect(counts()).toEqual(interrupts.vectors.map((each) => (each.number === number ? 1 : 0)));
    }
    interrupts.trigger(...interrupts.vectors.map(({ number }) => number));
    interrupts.trigger(vectors - 1);
    interrupts.trigger();
    expect(counts()).toEqual(interrupts.vectors.map(({ number }) => (number === vectors - 1 ? 2 : 1)));
  });

  it("none is triggered that is disabled or not set up", () => {
    using open = openDevice(bdf);
    const interrupts = open.pci.setUpInterrupts({ type, vectors });

    expectError(() => interrupts.trigger(0), "ERR_VFIO_INTERRUPTS_DISABLED");
    interrupts.enable();
    expectError(
      () => interrupts.trigger(0, vectors),
      `ERR_VFIO_INTERRUPT_VECTORS … vector ${vectors} is not set up`,
    );
    expect(interrupts.vector(0).poll()).toBe(0);
  });
});

describe("given MSI-X, which this kernel lets grow while it is enabled", () => {
  it("vectors may begin behind the first ones, and have the device's numbers", () => {
    using nvme = openInterrupting(NVME, { start: 60, vectors: 5 });
    const { interrupts } = nvme;

    interrupts.trigger(60, 64);

    expect(interrupts.vectors.map(({ number }) => number)).toEqual([60, 61, 62, 63, 64]);
    expect([60, 61, 64].map((number) => interrupts.vector(number).poll())).toEqual([1, 0, 1]);
    for (const number of [0, 59, 65])
      expectError(() => interrupts.vector(number), "… the vectors are 60 to 64");
  });

  it("vectors come later, up to the device's last, and those before lose nothing", () => {
    using nvme = openInterrupting(NVME, { vectors: 2 });
    const { interrupts } = nvme;
    expect(interrupts.info.resizable).toBe(true);
    interrupts.trigger(0, 1);

    const added = interrupts.addVectors(3);
    expect(added.map(({ number }) => number)).toEqual([2, 3, 4]);
    interrupts.trigger(1, 4);
    expect(interrupts.vectors.map((vector) => vector.poll())).toEqual([1, 2, 0, 0, 1]);

    interrupts.addVectors(60);
    interrupts.trigger(64);
    expect(interrupts.vector(64).poll()).toBe(1);
    expectError(() => interrupts.addVectors(), "ERR_VFIO_INTERRUPT_VECTORS");
  });

  it("after disable and enable all of them are there again", () => {
    using nvme = openInterrupting(NVME);
    const { interrupts } = nvme;
    interrupts.addVectors();
    interrupts.disable();
    interrupts.addVectors();

    interrupts.enable();
    interrupts.trigger(0, 1, 2);

    expect(interrupts.vectors.map((vector) => vector.poll())).toEqual([1, 1, 1]);
  });

  it("MSI does not grow while it is enabled, and the device has no more of it anyway", () => {
    using edu = openInterrupting(EDU);
    const { interrupts } = edu;

    expect(interrupts.info.resizable).toBe(false);
    expectError(() => interrupts.addVectors(), "ERR_VFIO_INTERRUPT_VECTORS");
  });
});

const VECTORS = 16;
const STORM = 10_000;

describe("given a storm of 10,000 interrupts on 16 vectors", () => {
  /** Fires vectors in an order that no loop of theirs follows; other work runs in between. */
  async function storm(interrupts: Interrupts): Promise<number[]> {
    const fired = new Array<number>(VECTORS).fill(0);
    for (let turn = 0; turn < STORM; turn++) {
      const number = (turn * 7 + (turn >> 4)) % VECTORS;
      interrupts.trigger(number);
      fired[number]!++;
      if (turn % 23 === 0) await setImmediate();
    }
    return fired;
  }

  /** One way to take counts: they are added up until the storm is over. */
  type Taker = (vector: InterruptVector, add: (count: number) => void, signal: AbortSignal) => unknown;
  const takers: Record<string, Taker> = {
    waits: async (vector, add, signal) => {
      while (!signal.aborted) add(await vector.wait({ signal, timeoutMs: 10_000 }));
    },
    "two waits at a time": (vector, add, signal) =>
      Promise.all(
        [1, 2].map(async () => {
          while (!signal.aborted) add(await vector.wait({ signal }));
        }),
      ),
    "an iterator": async (vector, add, signal) => {
      for await (const count of vector.counts({ signal })) add(count);
    },
    "a callback": (vector, add) => vector.onInterrupt(add),
    "nobody until the end": () => undefined,
  };

  it.each(Object.entries(takers))("taken by %s: every one is accounted for", async (_, take) => {
    using nvme = openInterrupting(NVME, { vectors: VECTORS });
    const { interrupts } = nvme;
    const taken = new Array<number>(VECTORS).fill(0);
    const over = new AbortController();
    const takes = interrupts.vectors.map((vector) => {
      const taking = take(vector, (count) => void (taken[vector.number]! += count), over.signal);
      return Promise.resolve(taking).catch((error: unknown) => error);
    });

    const fired = await storm(interrupts);
    over.abort();
    if (takes.length > 0) await setImmediate();
    for (const vector of interrupts.vectors) taken[vector.number]! += vector.poll();

    expect(taken).toEqual(fired);
    expect(taken.reduce((sum, count) => sum + count)).toBe(STORM);
    interrupts.close();
    await Promise.all(takes);
  });
});

describe("given a storm that another thread raises while this one takes the counts", () => {
  it("every one is accounted for, by waits, callbacks and polls alike", async () => {
    using nvme = openInterrupting(NVME, { vectors: VECTORS });
    const { interrupts } = nvme;
    const taken = new Array<number>(VECTORS).fill(0);
    const over = new AbortController();
    const add = ({ number }: InterruptVector, count: number): void => void (taken[number]! += count);
    const waits = interrupts.vectors.slice(0, 6).map(async (vector) => {
      while (!over.signal.aborted) add(vector, await vector.wait({ signal: over.signal }));
    });
    const waiting = Promise.allSettled(waits);
    for (const vector of interrupts.vectors.slice(6, 12)) vector.onInterrupt((count) => add(vector, count));

    let turns = 0;
    const { storm, fired } = stormFromWorker(nvme.device.fd, VECTORS, STORM);
    while (!(await isOver(storm))) {
      for (const vector of interrupts.vectors.slice(12)) add(vector, vector.poll());
      turns++;
    }
    over.abort();
    await waiting;
    for (const vector of interrupts.vectors) add(vector, vector.poll());

    expect(turns).toBeGreaterThan(1);
    expect(taken).toEqual(fired);
    expect(taken.reduce((sum, count) => sum + count)).toBe(STORM);
  });
});

describe("given what the kernel has to say of a device", () => {
  const ERR = vfioConstants.VFIO_PCI_ERR_IRQ_INDEX;
  const REQ = vfioConstants.VFIO_PCI_REQ_IRQ_INDEX;

  /** Fires ERR or REQ as the kernel does, by its loopback. */
  function fire(device: VfioDevice, index: number): void {
    const flags = vfioConstants.VFIO_IRQ_SET_DATA_NONE | vfioConstants.VFIO_IRQ_SET_ACTION_TRIGGER;
    const struct = vfioStructs.vfio_irq_set;
    const argument = struct.encode({ argsz: struct.bytes, flags, index, start: 0, count: 1 });
    ioctl(device, vfioIoctls.VFIO_DEVICE_SET_IRQS, argument);
  }

  it.each([NVME, E1000E])(
    "%s: errors and removal requests reach their listeners, beside its interrupts",
    async (bdf) => {
      using open = openInterrupting(bdf);
      const { interrupts } = open;
      const heard: string[] = [];
      open.pci.onDeviceError(() => heard.push("error"));
      open.pci.onRemovalRequested(() => heard.push("removal"));
      const second = open.pci.onRemovalRequested(() => heard.push("removal, too"));

      fire(open.device, ERR);
      await until(() => heard.length === 1);
      fire(open.device, REQ);
      await until(() => heard.length === 3);
      second[Symbol.dispose]();
      fire(open.device, REQ);
      await until(() => heard.length === 4);
      interrupts.trigger(0);

      expect(heard).toEqual(["error", "removal", "removal, too", "removal"]);
      expect(interrupts.vector(0).poll()).toBe(1);
    },
  );

  it.each([EDU, TEST_DEVICE])(
    "%s is no PCI Express device: it has removal requests, and no errors",
    (bdf) => {
      using open = openDevice(bdf);

      open.pci.onRemovalRequested(() => undefined);
      expectError(
        () => open.pci.onDeviceError(() => undefined),
        `ERR_VFIO_NO_INTERRUPT … ${bdf} has no error interrupt`,
      );
    },
  );
});

describe("given bad input", () => {
  it("a device without interrupts, a closed PciDevice, a closed fd: each has its error, and nothing is left", () => {
    using testDevice = openDevice(TEST_DEVICE);
    expectError(
      () => testDevice.pci.setUpInterrupts(),
      `ERR_VFIO_NO_INTERRUPT … ${TEST_DEVICE} has no usable interrupts`,
    );
    testDevice.pci.close();
    expectError(() => testDevice.pci.setUpInterrupts(), "ERR_VFIO_CLOSED");

    const edu = openDevice(EDU);
    const interrupts = edu.pci.setUpInterrupts();
    edu[Symbol.dispose]();
    for (const call of [
      () => interrupts.enable(),
      () => interrupts.trigger(0),
      () => interrupts.addVectors(),
    ])
      expectError(call, "ERR_VFIO_CLOSED");
  });

  it("a device that was closed below the interrupts says so, and they close", () => {
    const edu = openDevice(EDU);
    const interrupts = edu.pci.setUpInterrupts();
    interrupts.enable();
    edu.device.close();

    expectError(() => interrupts.trigger(0), "ERR_VFIO_CLOSED");
    expectError(() => edu.pci.reset(), "ERR_VFIO_CLOSED");
    expectError(() => interrupts.close(), "ERR_VFIO_CLOSED");
    edu[Symbol.dispose]();
  });
});

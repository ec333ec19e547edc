import { leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { Interrupts, InterruptVector } from "../../src/index.js";
import { FLUSH, GET_FEATURES, Nvme } from "./nvme.js";

leavesNothingBehind();

/** What came and nobody has taken yet, by vector. */
function counts(interrupts: Interrupts): number[] {
  return interrupts.vectors.map((vector) => vector.poll());
}

/** Takes the one interrupt that a command has raised. */
async function takeOne(vector: InterruptVector): Promise<void> {
  expect(await vector.wait({ timeoutMs: 5000 })).toBe(1);
}

describe("given an NVMe controller that raises MSI-X itself, through the table that the kernel has written", () => {
  it("admin commands come on vector 0, each queue's on the vector that it names, once each and on no other", async () => {
    using nvme = new Nvme();
    const interrupts = nvme.pci.setUpInterrupts({ type: "msix", vectors: 5 });
    interrupts.enable();
    const admin = await nvme.start();
    const takeAdmins = () => takeOne(interrupts.vector(0));

    await admin.run(GET_FEATURES);
    await takeAdmins();
    const vectors = [4, 3, 2, 1];
    const pairs = [];
    for (const vector of vectors) pairs.push(await nvme.createPair(vector, takeAdmins));
    expect(counts(interrupts)).toEqual([0, 0, 0, 0, 0]);

    for (const round of [1, 2]) {
      for (const [index, pair] of pairs.entries()) {
        await pair.run(FLUSH);
        expect(await interrupts.vector(vectors[index]!).wait({ timeoutMs: 5000 }), `round ${round}`).toBe(1);
        expect(counts(interrupts)).toEqual([0, 0, 0, 0, 0]);
      }
    }
  });

  it("vectors that are set up from 2 on, and those added while they are enabled, are the device's own", async () => {
    using nvme = new Nvme();
    const interrupts = nvme.pci.setUpInterrupts({ type: "msix", start: 2, vectors: 1 });
    interrupts.enable();
    await nvme.start();
    const second = await nvme.createPair(2);
    await second.run(FLUSH);
    expect(await interrupts.vector(2).wait({ timeoutMs: 5000 })).toBe(1);

    interrupts.addVectors(2);
    const fourth = await nvme.createPair(4);
    const third = await nvme.createPair(3);
    for (const [index, pair] of [second, third, fourth].entries()) {
      await pair.run(FLUSH);
      expect(await interrupts.vector(2 + index).wait({ timeoutMs: 5000 })).toBe(1);
      expect(counts(interrupts)).toEqual([0, 0, 0]);
    }
  });

  it("the last of its 65 vectors comes as the first does", async () => {
    using nvme = new Nvme();
    const interrupts = nvme.pci.setUpInterrupts({ type: "msix", vectors: 65 });
    interrupts.enable();
    await nvme.start();
    const last = await nvme.createPair(64, () => takeOne(interrupts.vector(0)));

    await last.run(FLUSH);
    expect(await interrupts.vector(64).wait({ timeoutMs: 5000 })).toBe(1);
    expect(counts(interrupts)).toEqual(new Array(65).fill(0));
  });

  it("while they are disabled a command completes without one, and enabled again the next has its own", async () => {
    using nvme = new Nvme();
    const interrupts = nvme.pci.setUpInterrupts({ type: "msix", vectors: 3 });
    interrupts.enable();
    await nvme.start();
    const pair = await nvme.createPair(2, () => takeOne(interrupts.vector(0)));

    interrupts.disable();
    // Without MSI-X the controller raises its line, which nobody serves here.
    nvme.pci.config.command.set("intxDisabled", true);
    await pair.run(FLUSH);
    expect(counts(interrupts)).toEqual([0, 0, 0]);

    interrupts.enable();
    await pair.run(FLUSH);
    expect(await interrupts.vector(2).wait({ timeoutMs: 5000 })).toBe(1);
    expect(counts(interrupts)).toEqual([0, 0, 0]);
  });

  it("after a reset, with the controller started anew, they come as before", async () => {
    using nvme = new Nvme();
    const interrupts = nvme.pci.setUpInterrupts({ type: "msix", vectors: 3 });
    interrupts.enable();
    const takeAdmins = () => takeOne(interrupts.vector(0));
    await nvme.start();
    await (await nvme.createPair(1, takeAdmins)).run(FLUSH);
    await takeOne(interrupts.vector(1));

    nvme.pci.reset();
    await nvme.start();
    const pair = await nvme.createPair(2, takeAdmins);
    await pair.run(FLUSH);
    expect(await interrupts.vector(2).wait({ timeoutMs: 5000 })).toBe(1);
    expect(counts(interrupts)).toEqual([0, 0, 0]);
  });
});

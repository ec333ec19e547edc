import { leavesNothingBehind } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import type { InterruptOptions, Interrupts, InterruptVector } from "../../src/index.js";
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

/** A controller that is started, with MSI-X enabled. */
async function startedNvme(options: InterruptOptions) {
  const nvme = new Nvme();
  const interrupts = nvme.pci.setUpInterrupts({ type: "msix", ...options });
  interrupts.enable();
  return { nvme, interrupts, admin: await nvme.start(), [Symbol.dispose]: () => nvme[Symbol.dispose]() };
}

describe("given an NVMe controller that raises MSI-X itself, through the table that the kernel has written", () => {
  it("admin commands come on vector 0, each queue's on the vector that it names, once each and on no other", async () => {
    using given = await startedNvme({ vectors: 5 });
    const { nvme, interrupts, admin } = given;
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
    using given = await startedNvme({ start: 2, vectors: 1 });
    const { nvme, interrupts } = given;
    const second = await nvme.createPair(2);
    await second.run(FLUSH);
    await takeOne(interrupts.vector(2));

    interrupts.addVectors(2);
    const fourth = await nvme.createPair(4);
    const third = await nvme.createPair(3);
    for (const [index, pair] of [second, third, fourth].entries()) {
      await pair.run(FLUSH);
      await takeOne(interrupts.vector(2 + index));
      expect(counts(interrupts)).toEqual([0, 0, 0]);
    }
  });

  it("the last of its 65 vectors comes as the first does", async () => {
    using given = await startedNvme({ vectors: 65 });
    const { nvme, interrupts } = given;
    const last = await nvme.createPair(64, () => takeOne(interrupts.vector(0)));

    await last.run(FLUSH);
    await takeOne(interrupts.vector(64));
    expect(counts(interrupts)).toEqual(new Array(65).fill(0));
  });

  it("while they are disabled a command completes without one, and enabled again the next has its own", async () => {
    using given = await startedNvme({ vectors: 3 });
    const { nvme, interrupts } = given;
    const pair = await nvme.createPair(2, () => takeOne(interrupts.vector(0)));

    interrupts.disable();
    // Without MSI-X the controller raises its line, which nobody serves here.
    nvme.pci.config.command.set("intxDisabled", true);
    await pair.run(FLUSH);
    expect(counts(interrupts)).toEqual([0, 0, 0]);

    interrupts.enable();
    await pair.run(FLUSH);
    await takeOne(interrupts.vector(2));
    expect(counts(interrupts)).toEqual([0, 0, 0]);
  });

  it("after a reset, with the controller started anew, they come as before", async () => {
    using given = await startedNvme({ vectors: 3 });
    const { nvme, interrupts } = given;
    const takeAdmins = () => takeOne(interrupts.vector(0));
    await (await nvme.createPair(1, takeAdmins)).run(FLUSH);
    await takeOne(interrupts.vector(1));

    nvme.pci.reset();
    await nvme.start();
    const pair = await nvme.createPair(2, takeAdmins);
    await pair.run(FLUSH);
    await takeOne(interrupts.vector(2));
    expect(counts(interrupts)).toEqual([0, 0, 0]);
  });
});

import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Mapping } from "../src/index.js";
import { nextMessage, startWorker } from "./support/elsewhere.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { mapMemory } from "./support/memory.js";

fdsStayAsTheyWere();
let mapping: Mapping;
let worker: Worker | undefined;
beforeEach(() => {
  mapping = mapMemory(4096);
});
afterEach(async () => {
  await worker?.terminate();
  mapping.close();
});

/** While this thread spins, the test's time limit cannot end it: should the worker die, this does. */
function spinWhile(notYet: () => boolean): void {
  const end = Date.now() + 20_000;
  while (notYet()) if (Date.now() > end) throw new Error("the other thread does not go on");
}

describe("another thread with the mapping's handle", () => {
  it("sees what this one writes and the other way round, in views and registers", async () => {
    mapping.registers.write32(0, 1);
    new Uint32Array(mapping.buffer)[1] = 2;
    worker = startWorker(
      `const mapping = vfio.Mapping.fromHandle(workerData);
       const words = new Uint32Array(mapping.buffer);
       const seen = [words[0], mapping.registers.read32(4)];
       words[2] = 3;
       mapping.registers.write32(12, 4);
       mapping.close();
       port.postMessage({ seen, bytes: mapping.bytes, address: mapping.address });`,
      mapping.handle,
    );
    expect(await nextMessage(worker)).toEqual({ seen: [1, 2], bytes: 4096, address: mapping.address });
    expect(mapping.registers.read32(8)).toBe(3);
    expect(new Uint32Array(mapping.buffer)[3]).toBe(4);
  });

  it("reads zeroes from a stale view after the owner's close, and its registers say closed; nobody dies", async () => {
    mapping.registers.write32(0, 0xdead);
    worker = startWorker(
      `const mapping = vfio.Mapping.fromHandle(workerData, "shared memory");
       const words = new Uint32Array(mapping.buffer);
       const { read32, write32 } = mapping.registers;
       port.postMessage(words[0]);
       await once(port, "message");
       const codes = [() => read32(0), () => write32(0, 1)].map((use) => {
         try { use(); } catch (error) { return error.code; }
       });
       const zero = words[0];
       words[0] = 5;
       port.postMessage({ zero, length: words.length, codes });`,
      mapping.handle,
    );
    expect(await nextMessage(worker)).toBe(0xdead);
    mapping.close();
    worker.postMessage("closed");
    expect(await nextMessage(worker)).toEqual({
      zero: 0,
      length: 1024,
      codes: ["ERR_VFIO_CLOSED", "ERR_VFIO_CLOSED"],
    });
  });

  it("that makes its first view after the owner's close is told that it is closed", async () => {
    worker = startWorker(
      `const mapping = vfio.Mapping.fromHandle(workerData, "shared memory");
       port.postMessage("here");
       await once(port, "message");
       port.postMessage([() => mapping.buffer, () => mapping.registers].map((use) => {
         try { use(); } catch (error) { return error.code + ": " + error.message; }
       }));`,
      mapping.handle,
    );
    await nextMessage(worker);
    mapping.close();
    worker.postMessage("closed");
    const closed = "ERR_VFIO_CLOSED: shared memory is closed and cannot be used any more";
    expect(await nextMessage(worker)).toEqual([closed, closed]);
  });

  it("that ends with a view of it takes nothing away from the owner", async () => {
    mapping.registers.write32(0, 7);
    worker = startWorker(
      `globalThis.kept = vfio.Mapping.fromHandle(workerData).buffer;
       globalThis.registers = vfio.Mapping.fromHandle(workerData).registers;`,
      mapping.handle,
    );
    await once(worker, "exit");
    expect(mapping.registers.read32(0)).toBe(7);
  });
});

describe("two accesses are two accesses, in their order", () => {
  it("a loop that polls a register sees it change under it", async () => {
    worker = startWorker(
      `const { read32, write32 } = vfio.Mapping.fromHandle(workerData).registers;
       port.postMessage("ready");
       while (read32(0) === 0);
       write32(4, 1);`,
      mapping.handle,
    );
    await nextMessage(worker);
    const { read32, write32 } = mapping.registers;
    write32(0, 1);
    spinWhile(() => read32(4) === 0);
    expect(read32(4)).toBe(1);
  });

  it("data written before its flag is there when the flag is seen", async () => {
    const rounds = 20_000;
    worker = startWorker(
      `const { write32 } = vfio.Mapping.fromHandle(workerData).registers;
       port.postMessage("ready");
       for (let round = 1; round <= ${rounds}; round++) { write32(64, round); write32(128, round); }`,
      mapping.handle,
    );
    await nextMessage(worker);
    const { read32 } = mapping.registers;
    let flag = 0;
    let early = 0;
    spinWhile(() => {
      flag = read32(128);
      if (read32(64) < flag) early++;
      return flag < rounds;
    });
    expect(early).toBe(0);
  });
});

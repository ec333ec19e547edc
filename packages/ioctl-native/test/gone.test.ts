import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BulkRegisters, kernel, Mapping, openFile, realKernel, useKernel, type Fd } from "../src/index.js";
import { nextMessage, resultOfChild, runInChild, startWorker } from "./support/elsewhere.js";
import { errorOf, expectAllRefused } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { mapMemory } from "./support/memory.js";

const PAGE = 4096;
const ONES = 0xffff_ffff;

let folder: string;
let file: Fd;
let mapping: Mapping;
let worker: Worker | undefined;
fdsStayAsTheyWere();
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "vfio-gone-"));
  const name = path.join(folder, "file");
  writeFileSync(name, new Uint8Array(4 * PAGE).fill(5));
  file = openFile(name);
  mapping = Mapping.map({ file, bytes: 4 * PAGE, name: "the file" });
});
afterEach(async () => {
  await worker?.terminate();
  worker = undefined;
  mapping.close();
  file.close();
  rmSync(folder, { recursive: true });
});

/** As any process does that may write the file. */
const shrink = (bytes: number): number => kernel().truncate(file.fd, bytes);

describe("a file that somebody shrinks under its mapping", () => {
  it("reads as ones from there on, however it is read, and the mapping says so from the first access on", () => {
    const { read32, read64 } = mapping.registers;
    const words = new Uint32Array(mapping.buffer);
    shrink(PAGE);
    expect([mapping.gone, read32(0), words[1]]).toEqual([false, 0x05050505, 0x05050505]);
    mapping.checkPresent();

    expect([read32(PAGE), read64(2 * PAGE), words[(3 * PAGE) / 4]]).toEqual([ONES, 2n ** 64n - 1n, ONES]);

    expect(mapping.gone).toBe(true);
    expect([read32(0), words[1]]).toEqual([0x05050505, 0x05050505]);
    const error = errorOf(() => mapping.checkPresent());
    expect(error.code).toBe("ERR_VFIO_MEMORY_GONE");
    expect(error.message).toContain("pages of the file are gone");
  });

  it("keeps what is written there, of which the file knows nothing", () => {
    shrink(0);
    mapping.registers.write32(8, 7);
    const { gone, registers } = mapping;
    expect([registers.read32(8), registers.read32(12), gone]).toEqual([7, ONES, true]);
    shrink(4 * PAGE);
    using again = Mapping.map({ file, bytes: 4 * PAGE, name: "the file again" });
    expect([again.registers.read32(8), again.gone]).toEqual([0, false]);
  });

  it("is told by whatever looks at many registers, by what makes views, and by what gives it to a device", () => {
    const bulk = new BulkRegisters(mapping);
    shrink(PAGE);
    const uses = [
      () => bulk.readBlock(0, new Uint32Array(PAGE / 2)),
      () => bulk.writeBlock(0, new Uint8Array(1)),
      () => bulk.readHalves(0, new Uint32Array(2)),
      () => bulk.writeHalves(0, 1, 2),
      () => bulk.poll(PAGE, 32, ONES, 0, 1000),
      () => bulk.poll(PAGE, 32, ONES, ONES, 0),
      () => mapping.view(0, 8),
      () => mapping.buffer,
      () => mapping.hold("a device"),
    ];
    expectAllRefused(uses, "ERR_VFIO_MEMORY_GONE");
  });

  it("is noticed by the thread that meets it, and known to all", async () => {
    worker = startWorker(
      `const mapping = vfio.Mapping.fromHandle(workerData);
       const words = new Uint32Array(mapping.buffer);
       port.postMessage(words[0]);
       await once(port, "message");
       port.postMessage([words[0], mapping.gone]);`,
      mapping.handle,
    );
    expect(await nextMessage(worker)).toBe(0x05050505);
    shrink(0);
    worker.postMessage("shrunk");
    expect(await nextMessage(worker)).toEqual([ONES, true]);
    expect(mapping.gone).toBe(true);
  });

  it("takes nothing from other mappings, and goes with its own close", () => {
    using other = mapMemory(PAGE);
    shrink(0);
    mapping.registers.read8(0);
    mapping.close();
    expect([mapping.gone, other.gone, other.registers.read32(0)]).toEqual([false, false, 0]);
  });

  it("can be read by code that is compiled already, and by several copies of this library", () => {
    const copy = path.join(folder, "copy.node");
    copyFileSync(path.join(import.meta.dirname, "../native/build/linux-x64/ioctl-native.node"), copy);
    const seen = resultOfChild(`
      const { truncateSync } = await import("node:fs");
      const file = vfio.openFile(${JSON.stringify(path.join(folder, "file"))});
      const mapping = vfio.Mapping.map({ file, bytes: ${4 * PAGE}, name: "the file" });
      const copy = { exports: {} };
      process.dlopen(copy, ${JSON.stringify(copy)});
      const others = copy.exports.registers(copy.exports.map(file.fd, 0, ${PAGE}, true, undefined, "x"));
      const { read32 } = mapping.registers;
      const sum = () => { let sum = 0; for (let i = 0; i < 100_000; i++) sum += read32(${PAGE}) >>> 16; return sum; };
      const before = [sum(), sum(), sum()];
      truncateSync(${JSON.stringify(path.join(folder, "file"))}, 0);
      console.log(JSON.stringify([before[2], sum(), others.read32(0), mapping.gone]));
    `);
    expect(seen).toEqual([0x0505 * 100_000, 0xffff * 100_000, ONES, true]);
  });
});

describe("the signal of such a fault", () => {
  it("still ends the process when somebody sends it", () => {
    const { signal } = runInChild(`
      const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
      vfio.Mapping.map({ file, bytes: 4096, name: "memory" });
      process.kill(process.pid, "SIGBUS");
      setInterval(() => {}, 1000);`);
    expect(signal).toBe("SIGBUS");
  });
});

describe("a device that is gone", () => {
  it("has a code of its own", () => {
    using _kernel = useKernel({ ...realKernel(), mappingGone: () => 1 });
    const error = errorOf(() => mapping.checkPresent());
    expect(error.code).toBe("ERR_VFIO_DEVICE_GONE");
    expect(error.hint).toContain("map them again");
  });
});

describe("a mapping that its owner closed for all", () => {
  it("is not taken for present by whoever else has it: zeroes lie there", () => {
    const mapping = mapMemory(4096);
    using other = Mapping.fromHandle(mapping.handle);
    other.checkPresent();
    mapping.close();
    expect(errorOf(() => other.checkPresent()).code).toBe("ERR_VFIO_CLOSED");
  });
});

describe("a program that listens for SIGBUS", () => {
  /** A program in which `use()` maps a file, and `take()` of it then takes the memory away and reads. */
  function resultOf(code: string): unknown {
    const name = path.join(folder, "other");
    writeFileSync(name, "");
    return resultOfChild(`
      const { setTimeout } = await import("node:timers/promises");
      const { writeFileSync } = await import("node:fs");
      const file = vfio.openFile(${JSON.stringify(name)});
      const use = () => {
        writeFileSync(${JSON.stringify(name)}, new Uint8Array(4096));
        const mapping = vfio.Mapping.map({ file, bytes: 4096 });
        return () => (vfio.kernel().truncate(file.fd, 0), new Uint32Array(mapping.buffer)[0]);
      };
      const seen = [];
      const listener = () => seen.push("sent");
      ${code}`);
  }

  it.each([
    ["before its first mapping", `process.on("SIGBUS", listener); const take = use();`],
    ["after it", `const take = use(); process.on("SIGBUS", listener);`],
    [
      "no more",
      `const take = use(); process.on("SIGBUS", () => 0).removeAllListeners("SIGBUS").on("SIGBUS", listener);`,
    ],
  ])("%s, reads ones where memory went away, and hears of what is sent to it", (_when, code) => {
    const end = `
      seen.push(take());
      process.kill(process.pid, "SIGBUS");
      while (seen.length < 2) await setTimeout(5);
      console.log(JSON.stringify(seen));`;

    expect(resultOf(code + end)).toEqual([ONES, "sent"]);
  });

  it("and does so no more, reads ones", () => {
    const code = `const take = use(); process.on("SIGBUS", listener).off("SIGBUS", listener); console.log(take());`;

    expect(resultOf(code)).toBe(ONES);
  });
});

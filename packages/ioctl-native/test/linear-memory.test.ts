import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import {
  BulkRegisters,
  errnoOf,
  kernel,
  LinearMemory,
  Mapping,
  readAt,
  SeqpacketListener,
  useKernel,
} from "../src/index.js";
import { living, nextMessage, resultOfChild, runInChild, startWorker } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { collectGarbageUntil, fdsStayAsTheyWere, mapAt, mapsWith } from "./support/leaks.js";
import { mapMemory, memoryFile } from "./support/memory.js";
import { socketFolder } from "./support/sockets.js";

fdsStayAsTheyWere();
const socketIn = socketFolder();
const PAGE = 4096;
const KIB_64 = 65536;
/** How many mappings of memory files this process has: each laid one is there twice. */
const mapped = (): number => mapsWith("/memfd:").length;
let worker: Worker | undefined;
afterEach(async () => {
  await worker?.terminate();
  worker = undefined;
});

/** What WebAssembly code, another thread or a typed array sees of a mapping. */
function wordsOf({ place }: Mapping): Uint32Array {
  if (place === undefined) throw new Error("the mapping lies in no memory");
  return new Uint32Array(place.memory.buffer, place.address, PAGE / 4);
}

/** Where a memory lies in this process's address space. */
function baseOf({ buffer }: LinearMemory): bigint {
  const base = kernel().addressOf?.(new Uint8Array(buffer));
  if (typeof base !== "bigint") throw new Error("it lies nowhere");
  return base;
}

describe("given a mapping within a WebAssembly memory", () => {
  it("when either side writes, then the other reads the same bytes", () => {
    using mapping = mapMemory(PAGE, { within: new LinearMemory({ bytes: 2 ** 20 }) });
    const words = wordsOf(mapping);
    mapping.registers.write32(8, 0xfedcba98);
    expect(words[2]).toBe(0xfedcba98);
    words[3] = 5;
    expect(mapping.registers.read32(12)).toBe(5);
    expect(new Uint32Array(mapping.buffer)[3]).toBe(5);
  });

  it("when it is closed, then zeroes lie there, its registers say so, and the pages are given back", () => {
    const before = mapped();
    const mapping = mapMemory(PAGE, { within: new LinearMemory({ bytes: 2 ** 20 }) });
    const words = wordsOf(mapping);
    const { registers } = mapping;
    words.fill(7);
    expect(mapped()).toBe(before + 2);
    mapping.close();
    expect([words[0], words.at(-1)]).toEqual([0, 0]);
    for (const access of [() => registers.read8(0), () => registers.write64(8, 1n)])
      expect(errorOf(access)).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(mapping.place).toBeUndefined();
    expect(mapped()).toBe(before);
  });

  it("when its place is free again, then the next mapping lies there, and a stale array sees that one", () => {
    const memory = new LinearMemory({ bytes: 2 * KIB_64 });
    const first = mapMemory(KIB_64, { within: memory });
    const words = wordsOf(first);
    first.close();
    using second = mapMemory(KIB_64, { within: memory });
    second.registers.write32(0, 9);
    expect(words[0]).toBe(9);
  });

  it("when registers of a part are asked for, then offsets count from there and end with it", () => {
    using mapping = mapMemory(PAGE, { within: new LinearMemory({ bytes: 2 ** 20 }) });
    const part = mapping.registersOf(16, 8);
    part.write32(4, 0x1234);
    expect(wordsOf(mapping)[5]).toBe(0x1234);
    expect(errorOf(() => part.read32(8))).toMatchObject({ code: "ERR_VFIO_REGISTER_OFFSET" });
  });

  it("when something holds it, as a device's DMA does, then it stays", () => {
    using mapping = mapMemory(PAGE, { within: new LinearMemory({ bytes: 2 ** 20 }) });
    using _hold = mapping.hold("the test");
    const words = wordsOf(mapping);
    words[0] = 3;
    expect(errorOf(() => mapping.close())).toMatchObject({ code: "ERR_VFIO_MAPPING_IN_USE" });
    expect(words[0]).toBe(3);
  });

  it("when nobody has the memory any more, then it is kept for the mapping's sake, and goes with it", async () => {
    let collected = false;
    const registry = new FinalizationRegistry(() => (collected = true));
    const mapping = (() => {
      const memory = new LinearMemory({ bytes: 2 ** 20 });
      registry.register(memory, undefined);
      return mapMemory(PAGE, { within: memory });
    })();
    for (let round = 0; round < 20; round++) {
      globalThis.gc?.();
      await setTimeout(1);
    }
    expect(collected).toBe(false);
    mapping.registers.write32(0, 1);
    mapping.close();
    await collectGarbageUntil(() => collected);
  });

  it("when child processes are started, then they get nothing of it, and here it lies as before", async () => {
    using file = memoryFile();
    using mapping = mapMemory(PAGE, { file, within: new LinearMemory({ bytes: 2 ** 20 }) });
    const words = wordsOf(mapping);
    const child = fork("-e", ["process.on('message', () => process.disconnect())"], { execArgv: [] });
    for (let round = 1; round <= 10; round++) {
      words[0] = round;
      expect(execFileSync("cat", ["/proc/self/maps"], { encoding: "utf8" })).not.toContain("memfd:vfio-dma");
      expect([mapping.registers.read32(0), readAt(file, 0, 1, "the file")[0]]).toEqual([round, round]);
    }
    expect(readFileSync(`/proc/${child.pid}/maps`, "utf8")).not.toContain("memfd:vfio-dma");
    child.send("end");
    expect(await once(child, "exit")).toEqual([0, null]);
    words[0] = 11;
    expect(readAt(file, 0, 1, "the file")[0]).toBe(11);
  });

  it("when somebody shrinks the file, then ones are read instead, and the mapping says so", () => {
    const file = kernel().memfdCreate("shrinks", 0);
    kernel().truncate(file, PAGE);
    using mapping = mapMemory(PAGE, { file: { fd: file }, within: new LinearMemory({ bytes: 2 ** 20 }) });
    kernel().truncate(file, 0);
    expect(mapping.gone).toBe(false);
    expect(mapping.registers.read32(0)).toBe(0xffffffff);
    expect(wordsOf(mapping)[1]).toBe(0xffffffff);
    expect(mapping.gone).toBe(true);
    const bulk = new BulkRegisters(mapping);
    for (const use of [
      () => bulk.readHalves(8, new Uint32Array(2)),
      () => bulk.readBlock(8, new Uint32Array(2)),
      () => bulk.writeBlock(8, new Uint32Array(2)),
    ])
      expect(errorOf(use)).toMatchObject({ code: "ERR_VFIO_MEMORY_GONE" });
    mapping.close();
    expect(mapping.gone).toBe(false);
    kernel().close(file);
  });

  it("when its file is shrunk and it is closed, while workers read all of it, then the process lives", () => {
    const reader = `
      const { parentPort, workerData } = require("node:worker_threads");
      const bytes = new Uint8Array(workerData.buffer, ${KIB_64});
      parentPort.postMessage("reading");
      for (let sum = 0; ; ) for (let page = 0; page < 64; page++) sum += bytes[page * ${PAGE}];`;
    const code = `
      const { once } = await import("node:events");
      const { Worker } = await import("node:worker_threads");
      const within = new vfio.LinearMemory({ bytes: 2 ** 20 });
      const options = { eval: true, execArgv: [], workerData: within.memory };
      const workers = [1, 2].map(() => new Worker(${JSON.stringify(reader)}, options));
      await Promise.all(workers.map((worker) => once(worker, "message")));
      const { memfdCreate, truncate, close } = vfio.kernel();
      for (let round = 0; round < 4000; round++) {
        const fd = memfdCreate("shrinks", 0);
        truncate(fd, 64 * ${PAGE});
        const mapping = vfio.Mapping.map({ file: { fd }, bytes: 64 * ${PAGE}, within });
        truncate(fd, 0);
        mapping.close();
        close(fd);
      }
      for (const worker of workers) await worker.terminate();
      console.log(JSON.stringify("lives"));`;
    expect(resultOfChild(code)).toBe("lives");
  });
});

describe("given a memory and what is laid into it", () => {
  it("then each mapping has a place of its own, on whole pages, behind the program's own bytes", () => {
    const memory = new LinearMemory({ bytes: 2 ** 20, programBytes: 2 * KIB_64 });
    const mappings = Array.from({ length: 5 }, () => mapMemory(PAGE + 1, { within: memory }));
    const addresses = mappings.map(({ place }) => place?.address ?? 0);
    expect(addresses).toEqual(addresses.map((_, index) => 2 * KIB_64 + index * 2 * PAGE));
    mappings.forEach((mapping, index) => mapping.registers.write8(PAGE, index));
    expect(mappings.map((mapping) => mapping.registers.read8(PAGE))).toEqual([0, 1, 2, 3, 4]);
    for (const mapping of mappings) mapping.close();
  });

  it("when all are closed, then its zeroes are one area of the process again, as if nothing had lain there", () => {
    const memory = new LinearMemory({ bytes: 2 ** 20 });
    const fresh = mapAt(baseOf(memory));
    for (let round = 0; round < 3; round++) {
      const mappings = [1, 3, 2].map((pages) => mapMemory(pages * PAGE, { within: memory }));
      expect(mapAt(baseOf(memory))).not.toBe(fresh);
      for (const mapping of mappings) mapping.close();
      expect(mapAt(baseOf(memory))).toBe(fresh);
    }
  });

  it("when there are several memories, then each has its own mappings, also of the same pages", () => {
    const memories = [1, 2, 3].map((count) => new LinearMemory({ bytes: count * 2 ** 20 }));
    using file = memoryFile();
    const mappings = memories.map((within) => mapMemory(PAGE, { file, within }));
    const arrays = mappings.map(wordsOf);
    mappings[0]?.registers.write32(0, 5);
    expect(arrays.map((words) => words[0])).toEqual([5, 5, 5]);
    mappings[1]?.close();
    arrays[2]![0] = 6;
    expect(arrays.map((words) => words[0])).toEqual([6, 0, 6]);
    for (const mapping of mappings) mapping.close();
  });

  it("when nobody has the memory any more, and nothing lies in it, then its addresses are given back", async () => {
    const base = (() => {
      const memory = new LinearMemory({ bytes: 2 ** 20 });
      mapMemory(PAGE, { within: memory }).close();
      return baseOf(memory);
    })();
    expect(mapAt(base)).toBeDefined();
    await collectGarbageUntil(() => mapAt(base) === undefined);
  });

  it("when it is full, then the error says so, and nothing is left", () => {
    const memory = new LinearMemory({ bytes: 2 * KIB_64 });
    using _first = mapMemory(KIB_64, { within: memory });
    const before = mapped();
    expect(errorOf(() => mapMemory(PAGE, { within: memory }))).toMatchObject({
      code: "ERR_VFIO_LINEAR_MEMORY_FULL",
      message: expect.stringContaining("the test's memory (4096 bytes)") as string,
    });
    expect(mapped()).toBe(before);
  });

  it("when the pages are so large that none begins in it, then it is full, whatever room there is", () => {
    const memory = new LinearMemory({ bytes: 2 * KIB_64 });
    const hugepages = { bytes: PAGE, pageBytes: 2 ** 21 };
    using _huge = useKernel({ ...kernel(), mappingPages: () => hugepages });
    expect(errorOf(() => mapMemory(PAGE, { within: memory }))).toMatchObject({
      code: "ERR_VFIO_LINEAR_MEMORY_FULL",
    });
  });

  it("when a read-only mapping is to lie there, then it is refused: a store would end the process", () => {
    const before = mapped();
    const within = new LinearMemory({ bytes: 2 ** 20 });
    expect(errorOf(() => mapMemory(PAGE, { writable: false, within }))).toMatchObject({
      code: "ERR_VFIO_READ_ONLY",
      message: expect.stringContaining("mapped read-only and cannot lie in a WebAssembly memory") as string,
    });
    expect(mapped()).toBe(before);
  });

  it("when the file refuses to be mapped, then zeroes lie there as before, and no hole for others to map into", () => {
    const memory = new LinearMemory({ bytes: 2 ** 20 });
    const fresh = mapAt(baseOf(memory));
    using mapping = mapMemory(PAGE);
    const place = new Uint8Array(memory.buffer, KIB_64, PAGE);
    using socket = SeqpacketListener.listen(socketIn("refuses"), 1);
    expect(kernel().layMapping?.(mapping.handle, socket.fd, 0, place)).toBe(errnoOf("ENODEV"));
    expect(mapAt(baseOf(memory))).toBe(fresh);
    expect(place[0]).toBe(0);
  });

  it("when a file has another fd at every look, then its pages lie there all the same", () => {
    using first = memoryFile();
    using second = memoryFile();
    const fds = [first.fd, second.fd];
    const file = {
      get fd() {
        return fds.shift() ?? second.fd;
      },
    };
    using mapping = mapMemory(PAGE, { file, within: new LinearMemory({ bytes: 2 ** 20 }) });
    mapping.registers.write32(0, 7);
    expect(new Uint32Array(mapping.buffer)[0]).toBe(7);
  });

  it.each([
    ["no size", undefined],
    ["0 bytes", 0],
    ["a page of the processor", PAGE],
    ["a page more than 4 GiB", 2 ** 32 + KIB_64],
    ["a fraction", KIB_64 + 0.5],
    ["a text", "65536"],
  ])("it cannot have %s", (_, bytes) => {
    expect(errorOf(() => new LinearMemory({ bytes: bytes as never }))).toMatchObject({
      code: "ERR_VFIO_LINEAR_MEMORY_SIZE",
    });
  });

  it.each([-1, 0.5, 2 * KIB_64, "1"])("of 64 KiB, %s cannot be the program's own", (programBytes) => {
    const options = { bytes: KIB_64, programBytes: programBytes as never };
    expect(errorOf(() => new LinearMemory(options))).toMatchObject({ code: "ERR_VFIO_LINEAR_MEMORY_SIZE" });
  });

  it.each([{}, "memory", 7, null])("nothing can be laid within %j", (within) => {
    const before = mapped();
    expect(errorOf(() => mapMemory(PAGE, { within: within as never }))).toMatchObject({
      code: "ERR_VFIO_ARGUMENT",
    });
    expect(mapped()).toBe(before);
  });
});

describe("given a worker with the memory", () => {
  it("when both write, then both see one ring, without a handle or a native call", async () => {
    const memory = new LinearMemory({ bytes: 2 ** 20 });
    using ring = mapMemory(PAGE, { within: memory });
    const words = wordsOf(ring);
    worker = startWorker(
      `const words = new Uint32Array(workerData.memory.buffer, workerData.address, 1024);
       for (let turn = 1; turn <= 1000; turn++) { Atomics.wait(new Int32Array(words.buffer, words.byteOffset), 0, turn - 1); words[turn] = turn; Atomics.store(words, 1023, turn); }
       port.postMessage("done");`,
      { memory: memory.memory, address: ring.place?.address },
    );
    const signed = new Int32Array(memory.buffer, ring.place?.address, PAGE / 4);
    const done = nextMessage(worker);
    for (let turn = 1; turn <= 1000; turn++) {
      Atomics.store(signed, 0, turn);
      Atomics.notify(signed, 0);
      while (Atomics.load(signed, 1023) < turn) await setImmediate();
    }
    expect(await done).toBe("done");
    expect(words[500]).toBe(500);
  });

  it("when the thread that made the memory ends, then the others see zeroes in it, and live", async () => {
    const before = mapped();
    const { worker: maker, said } = await living(
      `const memory = new vfio.LinearMemory({ bytes: 2 ** 20 });
       const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
       const ring = vfio.Mapping.map({ file, bytes: 4096, within: memory });
       ring.registers.write32(0, 77);
       port.postMessage({ memory: memory.memory, address: ring.place.address, handle: ring.handle });`,
    );
    worker = maker;
    const { memory, address, handle } = said as {
      memory: { buffer: SharedArrayBuffer };
      address: number;
      handle: number;
    };
    const words = new Uint32Array(memory.buffer, address, PAGE / 4);
    const joined = Mapping.fromHandle(handle);
    expect(words[0]).toBe(77);
    await worker.terminate();
    expect(words[0]).toBe(0);
    // Who uses the mapping by its handle keeps it, elsewhere than in that memory.
    expect(joined.registers.read32(0)).toBe(77);
    joined.close();
    expect(mapped()).toBe(before);
  });

  it("when it is terminated at whatever moment, then nothing is left of what it laid", async () => {
    const before = mapped();
    for (let round = 0; round < 12; round++) {
      worker = startWorker(
        `port.postMessage("go");
         const memory = new vfio.LinearMemory({ bytes: 2 ** 20 });
         for (;;) {
           const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
           const mapping = vfio.Mapping.map({ file, bytes: 4096, within: memory });
           file.close();
           mapping.registers.write32(0, mapping.registers.read32(0) + 1);
           mapping.close();
         }`,
        undefined,
      );
      await nextMessage(worker);
      await setTimeout(round % 4);
      await worker.terminate();
    }
    expect(mapped()).toBe(before);
  });
});

describe("given a machine that cannot have such a memory", () => {
  /** What comes of a memory, and of a register in it. */
  const make = (bytes: number, ...launcher: string[]): string =>
    runInChild(
      `try {
         const within = new vfio.LinearMemory({ bytes: ${bytes} });
         const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
         const { place, registers } = vfio.Mapping.map({ file, bytes: 4096, within });
         registers.write32(4, 7);
         console.log(new Uint32Array(within.buffer, place.address)[1] + registers.read32(4));
       } catch ({ code }) { console.log(code); }`,
      {},
      launcher,
    ).stdout.trim();

  it("when there is no WebAssembly, or too few addresses, then an error says so", () => {
    expect(make(2 ** 20, "env", "NODE_OPTIONS=--jitless")).toBe("ERR_VFIO_NO_LINEAR_MEMORY");
    // AddressSanitizer alone takes terabytes of addresses.
    const plain = ["env", "-u", "LD_PRELOAD", "-u", "VFIO_IOCTL_NATIVE_ADDON"];
    const limited = [...plain, "sh", "-c", 'ulimit -v 4000000; exec "$@"', "sh"];
    expect(make(2 ** 32, ...limited)).toBe("ERR_VFIO_NO_LINEAR_MEMORY");
  });

  it("when V8 checks each bound by itself, then it works all the same", () => {
    expect(make(2 ** 20, "env", "NODE_OPTIONS=--disable-wasm-trap-handler")).toBe("14");
  });
});

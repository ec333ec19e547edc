import { createMemoryFile, LinearMemory, readAt, type HasFd } from "@vfio/ioctl-native";
import { expectError, leavesNothingBehind } from "@vfio/test-support";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OpenRegion, type SharedRegion } from "../src/index.js";
import { MemoryDevice } from "./memory-device.js";

leavesNothingBehind();

/** The built package: a worker has a module graph of its own. */
const BUILT = pathToFileURL(path.join(import.meta.dirname, "../dist/index.js")).href;
/** Room for every region of a memory device. */
const FILE_BYTES = 1 << 24;
const TABLE = { bar: 0, offset: 0x2000, vectors: 65 };

let device: MemoryDevice;
let worker: Worker | undefined;
let opened: Disposable[] = [];
beforeEach(() => {
  device = new MemoryDevice(
    { 0: { bytes: 0x4000, mappable: true, msixMappable: true }, 2: { bytes: 0x40, io: true } },
    { msix: TABLE },
  );
});
afterEach(async () => {
  await worker?.terminate();
  for (const file of opened) file[Symbol.dispose]();
  opened = [];
  device[Symbol.dispose]();
});

/** Runs code in a worker that has the region; `port` leads to the test. */
function startWorker(code: string, shared: SharedRegion): Worker {
  const program = `
    const { parentPort: port, workerData } = require("node:worker_threads");
    const { once } = require("node:events");
    const codeOf = (use) => { try { use(); return "nothing"; } catch (error) { return error.code; } };
    import(${JSON.stringify(BUILT)}).then(async ({ OpenRegion, defineRegisters }) => {
      const region = OpenRegion.fromShared(workerData);
      ${code}
    });`;
  return new Worker(program, { eval: true, workerData: shared, execArgv: [] });
}

/** Opens files until one has that number; they are closed after the test. */
function fileWithNumber(wanted: number): HasFd {
  for (;;) {
    const file = createMemoryFile({ bytes: FILE_BYTES, pageBytes: 4096 });
    opened.push(file);
    if (file.fd >= wanted) {
      expect(file.fd).toBe(wanted);
      return file;
    }
  }
}

/** The numbers of this process's fds. */
function openFds(): number[] {
  const numbers = readdirSync("/proc/self/fd").map(Number);
  return numbers.filter((fd) => existsSync(`/proc/self/fd/${fd}`)); // but for the one that read the folder
}

/** Waits for what the worker does; the test's own time limit bounds it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(1);
}

async function nextMessage(from: Worker): Promise<unknown> {
  const [message] = (await once(from, "message")) as [unknown];
  return message;
}

describe("given a region that another thread has got by share()", () => {
  it("it reaches the same registers: windows that are mapped, and the rest by pread and pwrite", async () => {
    const region = device.pci.bar(0).open();
    region.write32(0, 1);
    region.write32(0x2000, 2);
    worker = startWorker(
      `const seen = [region.read32(0), region.read32(0x2000), region.bytes, region.name];
       region.write32(4, 3);
       region.write32(0x2004, 4);
       const { doorbell } = defineRegisters({ doorbell: { offset: 0x3000 } }).on(region);
       doorbell.writeRaw(5);
       region.close();
       port.postMessage([...seen, codeOf(() => region.read32(0x2000)), codeOf(() => region.readBlock(0, new Uint8Array(1)))]);`,
      region.share(),
    );

    const [closed, name] = ["ERR_VFIO_CLOSED", "BAR0 of 0000:00:1f.0"];
    expect(await nextMessage(worker)).toEqual([1, 2, 0x4000, name, closed, closed]);
    expect([region.read32(4), region.read32(0x2004), region.read32(0x3000)]).toEqual([3, 4, 5]);
  });

  it("one mapped in one piece is polled there while this thread writes", async () => {
    const region = device.pci.bar(0).map({ msixTable: "include" });
    worker = startWorker(
      `port.postMessage("ready");
       const last = region.pollMaskSync(0x2000, 0xff, 0x2a, { timeoutMs: 20_000 });
       region.write32(8, last);
       port.postMessage(last);`,
      region.share(),
    );
    await nextMessage(worker);

    region.write32(0x2000, 0x12a);

    expect(await nextMessage(worker)).toBe(0x12a);
    expect(region.read32(8)).toBe(0x12a);
  });

  it("after the first thread's close, every access there says so, and nobody dies", async () => {
    const region = device.pci.bar(0).map({ msixTable: "include" });
    worker = startWorker(
      `const { read32 } = region;
       port.postMessage(read32(0));
       await once(port, "message");
       port.postMessage([() => read32(0), () => region.write8(0, 1), () => region.readFifo(0, new Uint8Array(1))].map(codeOf));`,
      region.share(),
    );
    expect(await nextMessage(worker)).toBe(0);
    region.close();
    worker.postMessage("closed");

    expect(await nextMessage(worker)).toEqual(["ERR_VFIO_CLOSED", "ERR_VFIO_CLOSED", "ERR_VFIO_CLOSED"]);
  });

  it("the same for what is reached by pread and pwrite: a file that has the fd's number by now is not written", async () => {
    const region = device.pci.bar(2).open();
    const before = openFds();
    const shared = region.share();
    const [duplicate = NaN] = openFds().filter((fd) => !before.includes(fd));
    worker = startWorker(
      `port.postMessage(region.read32(4));
       await once(port, "message");
       port.postMessage([() => region.write32(4, 7), () => region.read32(4), () => region.readBlock(0, new Uint8Array(1)), () => OpenRegion.fromShared(workerData)].map(codeOf));`,
      shared,
    );
    expect(await nextMessage(worker)).toBe(0);
    region.close();
    const bystander = fileWithNumber(duplicate);
    worker.postMessage("closed");

    expect(await nextMessage(worker)).toEqual(new Array(4).fill("ERR_VFIO_CLOSED"));
    expect(readAt(bystander, 0, FILE_BYTES, "a bystander").every((byte) => byte === 0)).toBe(true);
  });

  it("the device's own number may go to another file before: the region still reaches the device", async () => {
    const region = device.pci.bar(2).open();
    const shared = region.share();
    expect(region.share()).toEqual(shared);
    worker = startWorker(`region.write32(4, 7); port.postMessage(region.share());`, shared);

    expect(await nextMessage(worker)).toEqual(shared);
    expect(region.read32(4)).toBe(7);
  });

  it("closed while a worker accesses it again and again: the worker hears of it, and the fd is given back", async () => {
    const region = device.pci.bar(2).open();
    worker = startWorker(
      `let count = 0;
       port.postMessage("ready");
       const code = codeOf(() => { for (;; count++) region.write32(8, count % 100); });
       port.postMessage([code, count > 0]);`,
      region.share(),
    );
    await nextMessage(worker);
    await until(() => region.read32(8) > 1);

    region.close();

    expect(await nextMessage(worker)).toEqual(["ERR_VFIO_CLOSED", true]);
  });

  it.each([
    ["without closing it", "port.postMessage(region.read32(0));", 0],
    ...[0, 1, 2, 3].map((ms): [string, string, number] => [
      `in the middle of accesses, after ${ms} ms`,
      'port.postMessage("go"); for (;;) region.read32(0);',
      ms,
    ]),
  ])("a worker that ends %s keeps nothing open", async (_, code, ms) => {
    const region = device.pci.bar(2).open();
    worker = startWorker(code, region.share());
    await nextMessage(worker);
    await setTimeout(ms);
    await worker.terminate();

    region.close();
  });

  it("one within the program's WebAssembly memory shares its windows, and not the memory", () => {
    const within = new LinearMemory({ bytes: 2 ** 20 });
    const region = device.pci.bar(0).map({ msixTable: "include", within });
    expect(region.windows).toMatchObject([{ place: { memory: within } }]);

    const handle = region.windows[0]?.handle;
    expect(region.share().windows).toEqual([{ offset: 0, bytes: 0x4000, handle }]);
  });

  it("a region in one piece shares no fd", () => {
    const region = device.pci.bar(0).map({ msixTable: "include" });

    expect(region.share().file).toBeUndefined();
  });

  it.each([
    ["BAR0", 0, "EBADF … BAR0 of 0000:00:1f.0"],
    ["BAR2", 2, "ERR_VFIO_CLOSED … BAR2 of 0000:00:1f.0 is closed"],
  ])("%s that is closed already cannot be had", (_, bar, expected) => {
    const region = device.pci.bar(bar).open();
    const shared = region.share();
    region.close();

    expectError(() => OpenRegion.fromShared(shared), expected);
  });
});

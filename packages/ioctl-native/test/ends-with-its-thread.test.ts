import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createMemoryFile, EventFd, Fd, kernel, Mapping, openFile } from "../src/index.js";
import { living, nextMessage, startWorker } from "./support/elsewhere.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere, mapAt, openFds } from "./support/leaks.js";
import { mapMemory } from "./support/memory.js";

fdsStayAsTheyWere();
const PAGE = 4096;
const MAP_MEMORY = `
  const file = vfio.createMemoryFile({ bytes: ${PAGE}, pageBytes: ${PAGE} });
  globalThis.mapping = vfio.Mapping.map({ file, bytes: ${PAGE}, name: "memory" });`;
const HOLD = `
  globalThis.hold = vfio.Mapping.fromHandle(workerData.handle).hold("a DMA mapping", { fd: workerData.fd });
  port.postMessage("held");`;

/** What a worker said that was then ended from outside. */
async function terminated(code: string, data?: unknown): Promise<unknown> {
  const { worker, said } = await living(code, data);
  await worker.terminate();
  return said;
}

/** Ends workers at different moments of what they do without end. */
async function terminatedAtAnyMoment(rounds: number, code: string): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const worker = startWorker(`port.postMessage("go");\n${code}`, undefined);
    await nextMessage(worker);
    await setTimeout(round % 4);
    await worker.terminate();
  }
}

describe("what a worker opened", () => {
  it("is closed when it is terminated: files, memory, counters, sockets, duplicates", async () => {
    const before = openFds();
    const fds = (await terminated(
      `const file = vfio.openFile("/dev/null");
       const path = "/tmp/vfio-ends-" + process.pid;
       const listener = vfio.SeqpacketListener.listen(path, 1);
       const client = vfio.SeqpacketSocket.connect(path);
       const server = listener.accept();
       const event = vfio.EventFd.create();
       server.send(new Uint8Array(1), [event.fd]);
       const received = client.receive(1, 1).fds[0];
       const datagrams = vfio.DatagramSocket.bind(path + ".d");
       require("node:fs").rmSync(path); require("node:fs").rmSync(path + ".d");
       const memory = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
       port.postMessage([file, file.duplicate(), listener, client, server, event, datagrams, memory].map(({ fd }) => fd).concat(received));`,
    )) as number[];
    expect(new Set(fds).size).toBe(9);
    expect(openFds()).toEqual(before);
  });

  it("is closed at whatever moment it is terminated, and nothing of anybody else", async () => {
    using mine = EventFd.create();
    const before = openFds();
    await terminatedAtAnyMoment(
      12,
      `for (;;) {
         const file = vfio.openFile("/dev/null");
         const memory = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
         const copy = memory.duplicate();
         memory.close();
         vfio.Mapping.map({ file: copy, bytes: 4096, name: "memory" });
         copy.close();
         file.close();
       }`,
    );
    expect(openFds()).toEqual(before);
    expect(mine.read()).toBe(0);
  });

  it("is closed when it ends by itself, and by an error", async () => {
    const before = openFds();
    for (const end of ["process.exit()", "throw new Error('on purpose')", ""]) {
      const worker = startWorker(`vfio.openFile("/dev/null"); vfio.EventFd.create(); ${end}`, undefined);
      worker.on("error", () => undefined);
      await new Promise((resolve) => worker.once("exit", resolve));
    }
    expect(openFds()).toEqual(before);
  });

  it("with calls on their way off the event loop, is closed, too", async () => {
    const before = openFds();
    await terminatedAtAnyMoment(
      8,
      `(function again() {
         const file = vfio.openFile("/dev/null");
         vfio.kernel().ioctlAsync(file.fd, 0x541b, new Uint8Array(8));
         file.closeAsync().then(again, again);
       })();`,
    );
    expect(openFds()).toEqual(before);
  });
});

describe("an fd that a worker gave away", () => {
  it("by release() outlives it", async () => {
    const fd = (await terminated(`port.postMessage(vfio.openFile("/dev/null").release());`)) as number;
    using file = new Fd(fd, "handed over");
    file.duplicate().close();
  });

  it("by its number alone, and that is in two threads' care, is closed by neither's end", async () => {
    using file = openFile("/dev/null");
    await terminated(`globalThis.kept = new vfio.Fd(workerData, "shared"); port.postMessage("up");`, file.fd);
    file.duplicate().close();
  });

  it("and that this thread closed and opened anew under the same number, is not closed by its end", async () => {
    const { worker, said: fd } = await living(`port.postMessage(vfio.openFile("/dev/null").fd);`);
    expect(kernel().close(fd as number)).toBe(0);
    using mine = EventFd.create();
    expect(mine.fd).toBe(fd);
    await worker.terminate();
    mine.signal(2);
    expect(mine.read()).toBe(2);
  });
});

describe("a mapping whose thread ends", () => {
  it("goes with it", async () => {
    const address = await terminated(`${MAP_MEMORY} port.postMessage(mapping.address);`);
    expect(mapAt(address as bigint) ?? "").not.toContain("memfd:vfio-dma");
  });

  it("stays for the thread that has it, with its content, until that one gives it up", async () => {
    const { worker, said } = await living(
      `${MAP_MEMORY} mapping.registers.write32(0, 7); port.postMessage(mapping.handle);`,
    );
    const mine = Mapping.fromHandle(said as number);
    const words = new Uint32Array(mine.buffer);
    await worker.terminate();
    expect([words[0], mine.registers.read32(0)]).toEqual([7, 7]);
    mine.registers.write32(4, 8);
    expect(words[1]).toBe(8);
    mine.close();
    expect(mapAt(mine.address) ?? "").not.toContain("memfd:vfio-dma");
    expect(errorOf(() => Mapping.fromHandle(mine.handle)).code).toBe("EBADF");
  });
});

describe("a hold on a mapping", () => {
  function expectHeld(mapping: Mapping, by: string): void {
    const error = errorOf(() => mapping.close());
    expect(error.code).toBe("ERR_VFIO_MAPPING_IN_USE");
    expect(error.message).toContain(`in use by ${by}`);
  }

  it("in a worker stops the owner's close, and the worker's own, and ends with the worker", async () => {
    using mapping = mapMemory(PAGE);
    const { worker, said } = await living(
      `const mapping = vfio.Mapping.fromHandle(workerData);
       globalThis.hold = mapping.hold("a worker's device");
       try { mapping.close(); } catch (error) { port.postMessage(error.code); }`,
      mapping.handle,
    );
    expect(said).toBe("ERR_VFIO_MAPPING_IN_USE");
    expectHeld(mapping, "a worker's device");
    mapping.registers.write8(0, 1);
    await worker.terminate();
    mapping.close();
  });

  it("in the owner's thread does not keep another one from giving up its part", async () => {
    using mapping = mapMemory(PAGE);
    using _hold = mapping.hold("a device");
    const close = `vfio.Mapping.fromHandle(workerData).close(); port.postMessage("closed");`;
    expect(await terminated(close, mapping.handle)).toBe("closed");
    expectHeld(mapping, "a device");
    _hold[Symbol.dispose]();
  });

  it("for a file that is open in another thread outlives the worker, until that file is closed", async () => {
    const container = openFile("/dev/null");
    using mapping = mapMemory(PAGE);
    await terminated(HOLD, { handle: mapping.handle, fd: container.fd });
    expectHeld(mapping, "a DMA mapping");
    container.close();
    mapping.close();
  });

  it("for such a file keeps the worker's own memory, as it was, until that file is closed", async () => {
    const container = openFile("/dev/null");
    const address = (await terminated(
      `${MAP_MEMORY}
       globalThis.hold = mapping.hold("a DMA mapping", { fd: workerData });
       port.postMessage(mapping.address);`,
      container.fd,
    )) as bigint;
    expect(mapAt(address)).toContain("memfd:vfio-dma");
    container.close();
    expect(mapAt(address) ?? "").not.toContain("memfd:vfio-dma");
  });

  it("for a file of another worker ends with that one", async () => {
    using mapping = mapMemory(PAGE);
    const other = await living(
      `globalThis.container = vfio.openFile("/dev/null"); port.postMessage(container.fd);`,
    );
    await terminated(HOLD, { handle: mapping.handle, fd: other.said });
    expectHeld(mapping, "a DMA mapping");
    await other.worker.terminate();
    mapping.close();
  });

  it("for a file that was closed before the worker ends does not outlive it", async () => {
    const container = openFile("/dev/null");
    using mapping = mapMemory(PAGE);
    const { worker } = await living(HOLD, { handle: mapping.handle, fd: container.fd });
    container.close();
    expectHeld(mapping, "a DMA mapping");
    await worker.terminate();
    mapping.close();
  });

  it("for a file of the worker's own ends with both", async () => {
    using mapping = mapMemory(PAGE);
    const own = `workerData.fd = (globalThis.container = vfio.openFile("/dev/null")).fd;`;
    await terminated(own + HOLD, { handle: mapping.handle });
    mapping.close();
  });
});

describe("a file that threads share", () => {
  it("is read and written by its handle, and closed with its owner's thread, whoever else has it", async () => {
    const { worker, said } = await living(
      `${MAP_MEMORY} port.postMessage(vfio.kernel().shareFile(file.fd));`,
    );
    const handle = said as number;
    const bytes = new Uint8Array(2);
    expect(kernel().sharedPwrite(handle, Uint8Array.of(1, 2), 10)).toBe(2);
    expect(kernel().sharedPread(handle, bytes, 10)).toBe(2);
    expect([[...bytes], kernel().sharedFileIsOpen(handle)]).toEqual([[1, 2], true]);
    await worker.terminate();
    expect(kernel().sharedPread(handle, bytes, 0)).toBe(-9);
    expect(kernel().sharedPwrite(handle, bytes, 0)).toBe(-9);
    expect([kernel().sharedFileIsOpen(handle), kernel().unshareFile(handle)]).toEqual([false, -9]);
  });

  it("is closed by its owner's word, once, and its number never used again", () => {
    using file = createMemoryFile({ bytes: PAGE, pageBytes: PAGE });
    const handle = kernel().shareFile(file.fd);
    expect([kernel().unshareFile(handle), kernel().unshareFile(handle)]).toEqual([0, -9]);
    const next = kernel().shareFile(file.fd);
    expect(next).not.toBe(handle);
    kernel().unshareFile(next);
    expect(kernel().shareFile(-1)).toBe(-9);
  });
});

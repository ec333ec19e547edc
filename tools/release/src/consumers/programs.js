/** Uses a bit of everything in the addon. The argument `wait` is left out where the runtime has no uv_poll. */
export const USES_THE_ADDON = `
import { createMemoryFile, EventFd, LinearMemory, Mapping, openFile, waitForFd } from "@vfio/ioctl-native";
const event = EventFd.create();
event.signal(3);
if (process.argv[2] === "wait") await waitForFd(event, { timeoutMs: 60_000, what: "the event" });
const file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
const within = new LinearMemory({ bytes: 2 ** 17 });
const mapping = Mapping.map({ file, bytes: 4096, name: "ring", within });
mapping.registers.write32(8, 0xfeedbeef);
let code;
try { openFile("/nowhere"); } catch (error) { code = error.code; }
const word = new Uint32Array(mapping.buffer)[2];
const shared = new Uint32Array(within.buffer, mapping.place.address)[2];
const answer = { arch: process.arch, count: event.read(), word, shared, code };
mapping.close();
console.log(JSON.stringify(answer));
`;

/** The output of that, without the architecture. */
export const ITS_ANSWER = { count: 3, word: 0xfeedbeef, shared: 0xfeedbeef, code: "ENOENT" };

/** A typed user of @vfio/dma, right but for one line marked as wrong. */
export const TYPED = `
import { DmaMapper, HugepageMemory, type DmaMapping } from "@vfio/dma";
export function mapOne(container: { readonly fd: number }): bigint {
  using memory: HugepageMemory = HugepageMemory.allocate({ bytes: 1 });
  const mapping: DmaMapping = new DmaMapper(container, { iova: "allocate" }).map(memory);
  const iova: bigint = mapping.iovaOf(0);
  // @ts-expect-error: an address is a bigint
  const wrong: number = iova;
  return iova + BigInt(wrong);
}
`;

/** Uses types alone: nothing of the package is loaded. */
export const TYPES_ONLY = `
import type { DmaMapper } from "@vfio/dma";
export const close = (mapper: DmaMapper): void => mapper.close();
`;

/** Put before a program, gives the process another platform. */
export const ON_ANOTHER_PLATFORM = `
Object.defineProperty(process, "platform", { value: "darwin" });
Object.defineProperty(process, "arch", { value: "arm64" });
`;

/** Imports what works everywhere, and tries what does not. */
export const TRIES_A_SYSTEM_CALL = `
const { HugepageMemory } = await import("@vfio/dma");
const { openFile } = await import("@vfio/ioctl-native");
const { vfioConstants } = await import("@vfio/ioctl-native/vfio");
let said;
try { openFile("/dev/null"); } catch (error) { said = { code: error.code, message: error.message, hint: error.hint }; }
console.log(JSON.stringify({ class: typeof HugepageMemory, constants: Object.keys(vfioConstants).length > 10, ...said }));
`;

/**
 * A test for other runtimes: a watch that signals its own eventfd, several secondaries, and a worker with a view that
 * is ended while it waits.
 */
export const WAITS_IN_ALL_WAYS = `
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { createMemoryFile, EventFd, Mapping, openFile, waitForFd, watchFd } from "@vfio/ioctl-native";
import { connectToPrimary, FdServer } from "@vfio/mp-sync";

const counts = [];
const event = EventFd.create();
await new Promise((resolve) => {
  const watcher = watchFd(event, () => {
    counts.push(event.read());
    if (counts.length < 4) return event.signal(counts.length);
    watcher.stop();
    resolve();
  });
  event.signal(9);
});

const path = process.argv[2];
const { fd } = openFile("/dev/null");
const server = await FdServer.listen({ path, container: { fd, iommuType: "type1" }, groups: [] });
let secondaries = 0;
for (; secondaries < 4; secondaries++) (await connectToPrimary({ path, verify() {} })).close();
await server[Symbol.asyncDispose]();

const file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
const mapping = Mapping.map({ file, bytes: 4096, name: "ring" });
const worker = new Worker(new URL("worker.mjs", import.meta.url), {
  workerData: { handle: mapping.handle, fd: event.fd },
});
await waitForFd(event, { timeoutMs: 60_000, what: "the worker" });
event.read();
await Promise.all([once(worker, "exit"), worker.terminate()]);
const word = mapping.registers.read32(8);
const readsAreNative = /native code/.test(String(mapping.registers.read32));
mapping.close();
console.log(JSON.stringify({ counts, secondaries, word, readsAreNative }));
`;

export const WORKER_THAT_WAITS = `
import { workerData } from "node:worker_threads";
import { EventFd, kernel, Mapping, waitForFd } from "@vfio/ioctl-native";
Mapping.fromHandle(workerData.handle).registers.write32(8, 77);
kernel().eventfdWrite(workerData.fd, 1);
await waitForFd(EventFd.create());
`;

export const ITS_WAITS = { counts: [9, 1, 2, 3], secondaries: 4, word: 77, readsAreNative: true };

/** Makes one system call, and prints the result. */
export const TRIES_AN_EVENTFD = `
import { EventFd } from "@vfio/ioctl-native";
let said;
try {
  const event = EventFd.create();
  event.signal(3);
  said = { count: event.read() };
} catch ({ code, message, hint }) {
  said = { code, message, hint };
}
console.log(JSON.stringify(said));
`;

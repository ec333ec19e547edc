/** A bit of everything that the addon does, again and again, for a leak check: what is left at the end is a leak. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import {
  createMemoryFile,
  EventFd,
  Fd,
  Mapping,
  openFile,
  SeqpacketListener,
  SeqpacketSocket,
  waitForFd,
} from "@vfio/ioctl-native";

const ROUNDS = 20;
const FOREVER = { timeoutMs: 600_000, what: "an event" };

// Not below TMPDIR, which may be long: the address of a socket has at most 107 bytes.
const scratch = mkdtempSync("/tmp/exercise-");
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

for (let round = 0; round < ROUNDS; round++) {
  await waitForAnEvent();
  mapAndUnmap();
  await passAnFd(path.join(scratch, "socket"));
  refused(() => openFile("/nowhere"));
}
await once(workerThatEndsWithOpenThings(), "exit");
// Finalizers run in a later turn of the event loop.
for (let turn = 0; turn < 3; turn++) {
  globalThis.gc();
  await setImmediate();
}

async function waitForAnEvent() {
  const event = EventFd.create();
  event.signal(1);
  await waitForFd(event, FOREVER);
  event.close();
}

function mapAndUnmap() {
  const file = createMemoryFile({ bytes: 8192, pageBytes: 4096 });
  const mapping = Mapping.map({ file, bytes: 4096, name: "ring" });
  mapping.registers.write32(8, new Uint32Array(mapping.buffer)[0]);
  refused(() => mapping.registers.read32(4095));
  refused(() => mapping.registers.write8(0, 256));
  mapping.close();
  file.close();
}

async function passAnFd(address) {
  const listener = SeqpacketListener.listen(address, 4);
  const client = SeqpacketSocket.connect(address);
  const server = listener.accept();
  server.send(new Uint8Array(4), [server.fd]);
  await waitForFd(client, FOREVER);
  for (const fd of client.receive(16, 4).fds) new Fd(fd, "received").close();
  rmSync(address);
  for (const each of [client, server, listener]) each.close();
}

function workerThatEndsWithOpenThings() {
  const program = `import(${JSON.stringify(import.meta.resolve("@vfio/ioctl-native"))}).then((vfio) => {
    vfio.watchFd(vfio.EventFd.create(), () => {});
    const file = vfio.createMemoryFile({ bytes: 4096, pageBytes: 4096 });
    const mapping = vfio.Mapping.map({ file, bytes: 4096, name: "the worker's" });
    mapping.registers.read32(0);
    setImmediate(() => process.exit());
  });`;
  return new Worker(program, { eval: true, execArgv: [] });
}

function refused(call) {
  try {
    call();
  } catch {
    return;
  }
  throw new Error("that should have been refused");
}

/** Every native function of the addon, with arguments with which it works, if somebody wrote them down, and with none. */
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const require = createRequire(import.meta.url);
const root = path.dirname(require.resolve("@vfio/ioctl-native/package.json"));
const build = path.join(root, "native/build", `${process.platform}-${process.arch}`, "ioctl-native.node");

/** The addon's file: that of a test of this test, or what was compiled here. */
export const addonFile = process.env.VFIO_IOCTL_NATIVE_ADDON ?? build;
export const addon = require(addonFile);

const BYTES = 4096;
const FIONREAD = 0x541b;
const NEW_FDS = ["open", "dup", "memfdCreate", "eventfd", "socket", "socketAccept"];
const folder = mkdtempSync(path.join(os.tmpdir(), "ending-"));
const file = addon.memfdCreate("ending", 0);
addon.truncate(file, BYTES);
const handle = addon.map(file, 0, BYTES, true, undefined, "ending");
const event = addon.eventfd();
const address = path.join(folder, "listener");
const listener = bound("seqpacket", address);
addon.socketListen(listener, 64);
const client = addon.socket("seqpacket");
addon.socketConnect(client, address);
const server = addon.socketAccept(listener);
const receiver = bound("datagram", path.join(folder, "receiver"));
const sender = bound("datagram", path.join(folder, "sender"));
const shared = addon.shareFile(file);
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const bytes = new Uint8Array(64);
const words = new Uint32Array(16);
const room = new Uint8Array(2048);
const WORKING = {
  open: ["/dev/null", 0, 0],
  close: [2 ** 30],
  closeAsync: [2 ** 30],
  ownFd: [file],
  disownFd: [2 ** 30],
  dup: [file],
  ioctl: [client, FIONREAD, bytes],
  ioctlAsync: [client, FIONREAD, bytes, false],
  ioctlEach: [client, FIONREAD, bytes, 8],
  pread: [file, bytes, 0],
  preadStrided: [file, bytes, 8, 0, 8],
  pwrite: [file, bytes, 0],
  truncate: [file, BYTES],
  memfdCreate: ["ending", 0],
  sealSize: [2 ** 30],
  lockHolder: [file],
  memlockLimit: [],
  eventfd: [],
  eventfdRead: [event],
  eventfdSpin: [event, 1],
  eventfdWrite: [event, 1],
  map: [file, 0, BYTES, true, undefined, "ending"],
  bindMapping: [handle, 0],
  populate: [handle],
  residentBytes: [handle],
  pageBytes: [],
  seals: [file],
  filesystemOf: [file],
  mappingAddress: [handle],
  mappingLength: [handle],
  populateAsync: [handle],
  mappingGone: [handle],
  mappingView: [handle, 0, BYTES],
  joinMapping: [handle],
  leaveMapping: [2 ** 31],
  holdMapping: [handle, "the test", -1],
  releaseHold: [2 ** 31],
  mappingHolders: [handle],
  detachView: [new ArrayBuffer(8)],
  unmap: [2 ** 31],
  registers: [handle],
  bulkRegisters: [handle],
  ready: [event, false],
  shareFile: [file],
  sharedFileIsOpen: [shared],
  sharedPread: [shared, bytes, 0],
  sharedPwrite: [shared, bytes, 0],
  unshareFile: [2 ** 31],
  socket: ["seqpacket"],
  chmod: [file, 0o600],
  socketBind: [2 ** 30, address],
  socketListen: [listener, 64],
  socketConnect: [2 ** 30, address],
  socketAccept: [listener],
  socketSend: [client, bytes, [file]],
  socketReceive: [server, room, 64, 4],
  socketPeer: [server, room],
  datagramSend: [sender, path.join(folder, "receiver"), bytes, [file]],
  datagramReceive: [receiver, room, 64, 4],
  watch: [event, false, () => undefined],
  unwatch: [2 ** 31],
  watchRef: [2 ** 31],
  watchUnref: [2 ** 31],
  "registers.read8": [0],
  "registers.read16": [0],
  "registers.read32": [0],
  "registers.read64": [0],
  "registers.write8": [0, 1],
  "registers.write16": [0, 1],
  "registers.write32": [0, 1],
  "registers.write64": [0, 1n],
  "bulkRegisters.readBlock": [0, words, false],
  "bulkRegisters.writeBlock": [0, words, false],
  "bulkRegisters.readHalves": [0, words],
  "bulkRegisters.writeHalves": [0, 1, 2],
  "bulkRegisters.poll": [0, 8, 0n, 0n, 0],
};

function bound(kind, name) {
  const fd = addon.socket(kind);
  addon.socketBind(fd, name);
  return fd;
}

/** Functions that others make belong to these: `registers.read32`. */
function functionsIn(object, prefix = "") {
  return Object.entries(object).flatMap(([name, use]) => {
    if (typeof use !== "function") return [];
    const made = prefix === "" && use(...(WORKING[name] ?? []));
    undo(name, made);
    return [{ name: prefix + name, use }, ...(isPlain(made) ? functionsIn(made, `${name}.`) : [])];
  });
}

function isPlain(value) {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** The calls, two of each function. */
export const calls = functionsIn(addon).flatMap(({ name, use }) => [
  { name, use, args: WORKING[name] ?? [] },
  { name, use, args: [] },
]);

/** Makes every call once, and lets go of what it brought. */
export function callAll() {
  for (const { name, use, args } of calls) {
    try {
      undo(name, use(...args));
    } catch (error) {
      if (error?.code === undefined && !(error instanceof RangeError)) throw error;
    }
  }
}

function undo(name, result) {
  if (isPlain(result) && Array.isArray(result.fds)) for (const fd of result.fds) addon.close(fd);
  if (typeof result !== "number" || result <= 0) return;
  if (NEW_FDS.includes(name)) addon.close(result);
  if (name === "map") addon.unmap(result);
  if (name === "holdMapping") addon.releaseHold(result);
  if (name === "shareFile") addon.unshareFile(result);
  if (name === "watch") addon.unwatch(result);
}

import path from "node:path";
import { plainErrors, showsState, type Called } from "@vfio/test-support";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as native from "../src/index.js";
import * as internal from "../src/internal.js";
import * as intervals from "../src/intervals/index.js";
import * as vfio from "../src/vfio/index.js";
import { socketFolder } from "./support/sockets.js";

const { BulkRegisters, createMemoryFile, DatagramSocket, EventFd, Fd, Mapping } = native;
const { SeqpacketListener, SeqpacketSocket } = native;

/** What the packages above make their errors and objects with, from values of their own. */
const TOOLS = [
  ...`check contextOr errnoOf messageOf argumentError checkFunction checkHasFd checkOptions VfioError
    VfioRangeError VfioSystemError VfioAggregateError closedError timeoutError bulkArgumentError
    registerOffsetError printAs fdState hasBits mappedWindow regionName SharedFile addSuppressed
    closings orUndo runAll undo driverOf fileOf filesOpenIn holdersBy holdersOf processName
    groupExistsInSysfs groupNodes groupOfLink isContainerLink isVfioDriver cgroupLimits checkArray
    limitWait Deadline readableOrOver useKernel`.split(/\s+/),
  ...Object.keys(intervals),
];

const struct = new native.Struct("question", 8, { argsz: [0, "u32"], bits: [4, "s32"] });
const FIONREAD = native.defineIoctl("FIONREAD", 0x541b, struct);
const bytes = new Uint8Array(8);
const word = new Uint32Array(1);

let file: native.Fd;
let mapping: native.Mapping;
let sockets = 0;
const folder = socketFolder();
const newPath = () => `${path.dirname(folder("x"))}/${sockets++}`;
beforeAll(() => {
  file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  mapping = Mapping.map({ file, bytes: 4096 });
});
afterAll(() => {
  mapping.close();
  file.close();
});

const members: Readonly<Record<string, () => Called>> = {
  "the package, its /vfio and its /internal": () => ({
    make: () => ({ ...native, ...vfio, ...internal }),
    right: {
      createMemoryFile: [{ bytes: 4096, pageBytes: 4096 }],
      Fd: [9999, "a file"],
      ioctl: [file, FIONREAD, bytes],
      ioctlAsync: [file, FIONREAD, bytes],
      ioctlEach: [file, FIONREAD, bytes],
      lockHolder: [file, "a file"],
      memoryShortage: [mapping],
      openFile: ["/dev/null", {}],
      queryInfo: [file, FIONREAD],
      readAt: [file, 0, 1],
      readStrided: [file, { offset: 0, stride: 8, width: 8, count: 2 }],
      tryIoctl: [file, FIONREAD, bytes],
      unsafeIoctl: [file, FIONREAD.number, bytes],
      waitForFd: [file, { timeoutMs: 0 }],
      walkCapabilities: [new Uint8Array(32), 0],
      watchFd: [file, () => undefined],
      writeAt: [file, 0, bytes, "a file"],
      writeSysfs: ["/sys/no/such", "1"],
    },
    except: TOOLS,
  }),
  "Mapping itself": () => ({
    make: () => Mapping,
    right: {
      map: [{ file, bytes: 4096 }],
      mapAsync: [{ file, bytes: 4096 }],
      fromHandle: [mapping.handle, "a mapping"],
    },
  }),
  "a Mapping": () => ({
    make: () => Mapping.map({ file, bytes: 4096 }),
    right: { view: [0, 8], hold: ["a device", file] },
  }),
  "its registers": () => ({
    make: () => mapping.registers,
    right: { write8: [0, 0], write16: [0, 0], write32: [0, 0], write64: [0, 0n] },
  }),
  BulkRegisters: () => ({
    make: () => new BulkRegisters(mapping),
    right: {
      readBlock: [0, word],
      writeBlock: [0, word],
      readFifo: [0, word],
      writeFifo: [0, word],
      readHalves: [0, new Uint32Array(2)],
      writeHalves: [0, 0, 0],
      poll: [0, 32, 0, 0, 1],
    },
  }),
  "an Fd": () => ({ make: () => createMemoryFile({ bytes: 4096, pageBytes: 4096 }) }),
  "an EventFd": () => ({ make: () => EventFd.create() }),
  "a Struct": () => ({
    make: () => struct,
    right: { read: [bytes, "bits"], write: [bytes, { bits: 1 }], decode: [bytes], encode: [{}, 8] },
  }),
  "SeqpacketSocket itself": () => ({ make: () => SeqpacketSocket, right: { connect: [newPath()] } }),
  "SeqpacketListener itself": () => ({ make: () => SeqpacketListener, right: { listen: [newPath(), 1] } }),
  "a SeqpacketListener": () => ({ make: () => SeqpacketListener.listen(newPath(), 1) }),
  "DatagramSocket itself": () => ({ make: () => DatagramSocket, right: { bind: [newPath()] } }),
  "a DatagramSocket": () => ({
    make: () => DatagramSocket.bind(newPath()),
    right: { connect: [newPath()], send: [newPath(), bytes, []], receive: [1, 0] },
  }),
  "Fd itself": () => ({ make: () => Fd }),
  Holds: () => ({ make: () => new internal.Holds() }),
};

describe("given wrong arguments, all members answer with a coded error or with what they make of them:", () => {
  it.each(Object.entries(members))("%s", async (name, called) => {
    expect(await plainErrors({ [name]: called() })).toEqual([]);
  });
});

describe("given somebody who prints it, its state is seen:", () => {
  it.each(Object.entries(members))("%s", (_, called) => expect(showsState(called())).toBe(true));
});

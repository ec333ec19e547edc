import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BulkRegisters,
  createMemoryFile,
  defineIoctl,
  EventFd,
  Fd,
  ioctl,
  ioctlEach,
  Mapping,
  pageBytesOf,
  readAt,
  readStrided,
  SeqpacketSocket,
  Struct,
  waitForFd,
  watchFd,
  writeAt,
  type HasFd,
} from "../src/index.js";
import { checkWaitLimits, isOrdinaryMemory, lockHolder, sizeGuaranteeOf } from "../src/internal.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();

const NUMBERS = [NaN, -1, 2 ** 53, 1.5];
const OBJECTS = [null, {}, [], Object.create(null), runInNewContext("[1, 2]"), { fd: "3" }] as const;
const OTHERS = ["4096", "", true, 5n, Symbol("x"), () => 1];
const WRONG: readonly unknown[] = [undefined, ...NUMBERS, ...OBJECTS, ...OTHERS];

const struct = new Struct("question", 8, { argsz: [0, "u32"], bits: [4, "s32"] });
const reads = { offset: 0, stride: 8, width: 8, count: 2 };
const FIONREAD = defineIoctl("FIONREAD", 0x541b, struct);

let file: Fd;
let mapping: Mapping;
let event: EventFd;

beforeAll(() => {
  file = createMemoryFile({ bytes: 8192, pageBytes: 4096 });
  mapping = Mapping.map({ file, bytes: 8192, name: "memory" });
  event = EventFd.create();
});
afterAll(() => {
  for (const each of [event, mapping, file]) each.close();
});

/** Calls with each wrong value: what is thrown has a code of this library that tells of an argument. */
function expectRefusal(call: (wrong: never) => unknown, wrong: readonly unknown[] = WRONG): void {
  for (const value of wrong) {
    const error = errorOf(() => call(value as never));
    expect(error.code, error.stack).toMatch(
      /^ERR_VFIO_(ARGUMENT|FD|MAP_RANGE|IO_RANGE|EVENTFD_COUNT|WAIT_ARGUMENT|STRUCT_\w+|REGISTER_\w+|MEMORY_SIZE)$/,
    );
  }
}

const numbers = WRONG.filter((value) => value !== undefined);
const notLarge = numbers.filter((value) => value !== 2 ** 53);
const objects = numbers.filter((value) => typeof value !== "object" || value === null);
const texts = WRONG.filter((value) => typeof value !== "string" && value !== undefined);

describe("an argument of any wrong type is refused by a coded error, where a file is expected:", () => {
  it.each<[string, (wrong: HasFd) => unknown]>([
    ["Mapping.map", (wrong) => Mapping.map({ file: wrong, bytes: 4096 })],
    ["Mapping.map with a name", (wrong) => Mapping.map({ file: wrong, bytes: 4096, name: "n" })],
    ["readAt", (wrong) => readAt(wrong, 0, 1)],
    ["writeAt", (wrong) => writeAt(wrong, 0, new Uint8Array(1), "a file")],
    ["readStrided", (wrong) => readStrided(wrong, reads)],
    ["pageBytesOf", pageBytesOf],
    ["isOrdinaryMemory", isOrdinaryMemory],
    ["sizeGuaranteeOf", sizeGuaranteeOf],
    ["lockHolder", (wrong) => lockHolder(wrong, "a file")],
    ["watchFd", (wrong) => watchFd(wrong, () => undefined)],
    ["ioctl", (wrong) => ioctl(wrong, FIONREAD, struct.encode({ argsz: 8 }))],
    ["ioctlEach", (wrong) => ioctlEach(wrong, FIONREAD, struct.encode({ argsz: 8 }))],
  ])("%s", (_name, call) => {
    expectRefusal(call);
  });

  it("hold", () => expectRefusal((wrong) => mapping.hold("a device", wrong), numbers));

  it("waitForFd", async () => {
    for (const wrong of WRONG)
      await expect(waitForFd(wrong as HasFd)).rejects.toMatchObject({ code: "ERR_VFIO_ARGUMENT" });
  });
});

describe("the same where something else is expected:", () => {
  it.each<[string, (wrong: never) => unknown, readonly unknown[]]>([
    ["options of a mapping", (wrong) => Mapping.map(wrong), WRONG],
    ["its length", (wrong) => Mapping.map({ file, bytes: wrong }), WRONG],
    ["its offset", (wrong) => Mapping.map({ file, bytes: 4096, offset: wrong }), numbers],
    ["its address", (wrong) => Mapping.map({ file, bytes: 4096, address: wrong }), numbers],
    ["its NUMA node", (wrong) => Mapping.map({ file, bytes: 4096, numaNode: wrong }), notLarge],
    ["its name", (wrong) => Mapping.map({ file, bytes: 4096, name: wrong }), texts],
    ["the name of another thread's", (wrong) => Mapping.fromHandle(mapping.handle, wrong), texts],
    ["the offset of a view", (wrong) => mapping.view(wrong), WRONG],
    ["the length of a view", (wrong) => mapping.view(0, wrong), numbers],
    ["the reason of a hold", (wrong) => mapping.hold(wrong), [undefined, ...texts]],
    ["the number of an fd", (wrong) => new Fd(wrong), WRONG],
    ["the offset of a read", (wrong) => readAt(file, wrong, 1), WRONG],
    ["the reads of a table", (wrong) => readStrided(file, wrong), WRONG],
    ["the width of reads", (wrong) => readStrided(file, { ...reads, width: wrong }), WRONG],
    ["the count of reads", (wrong) => readStrided(file, { ...reads, count: wrong }), WRONG],
    ["a count to signal", (wrong) => event.signal(wrong), numbers],
    ["the time of a spin", (wrong) => event.spin(wrong), notLarge.filter((n) => n !== 1.5)],
    ["the limits of a wait", (wrong) => checkWaitLimits(wrong), objects],
    ["the declaration of an ioctl", (wrong) => ioctl(file, wrong, new Uint8Array(8) as never), WRONG],
    ["what a struct is decoded from", (wrong) => struct.decode(wrong), WRONG],
    ["the field of a struct", (wrong) => struct.read(new Uint8Array(8), wrong), WRONG],
    ["the fd of a socket", (wrong) => new SeqpacketSocket(wrong), WRONG],
    ["the mapping of registers", (wrong) => new BulkRegisters(wrong), WRONG],
  ])("%s", (_name, call, wrong) => {
    expectRefusal(call, wrong);
  });
});

import { expect, it } from "vitest";
import {
  defineIoctl,
  errnoOf,
  ioctlEach,
  kernel,
  openFile,
  SeqpacketListener,
  Struct,
} from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder } from "./support/sockets.js";

const count = new Struct("count", 4, { bits: [0, "s32"] });
const RNDGETENTCNT = defineIoctl("RNDGETENTCNT", 0x80045200, count);
/** The name of the network interface with a number: struct ifreq has 16 bytes for the name, then the number. */
const SIOCGIFNAME = 0x8910;
const IFREQ_BYTES = 40;
const LOOPBACK = 1;
const socketFile = socketFolder();
fdsStayAsTheyWere();

it("given several structs, the kernel fills in each of them", () => {
  using random = openFile("/dev/urandom");
  const answers = new Uint8Array(12).fill(0xff);

  expect(ioctlEach(random, RNDGETENTCNT, answers)).toBe(3);

  for (const at of [0, 4, 8]) expect(count.read(answers, "bits", at)).toBeGreaterThanOrEqual(0);
});

it("given one that the kernel refuses, those before it are done, it alone is an error, and none behind it is tried", () => {
  using socket = SeqpacketListener.listen(socketFile("socket"), 1);
  const requests = new Uint8Array(4 * IFREQ_BYTES);
  [LOOPBACK, LOOPBACK, 2 ** 31 - 1, LOOPBACK].forEach((number, at) => {
    new DataView(requests.buffer).setInt32(at * IFREQ_BYTES + 16, number, true);
  });
  const each = (bytes: Uint8Array): number => kernel().ioctlEach(socket.fd, SIOCGIFNAME, bytes, IFREQ_BYTES);

  expect(each(requests)).toBe(2);
  expect(each(requests.subarray(2 * IFREQ_BYTES))).toBe(errnoOf("ENODEV"));

  const names = [0, 1, 2, 3].map((at) =>
    Buffer.from(requests).toString("latin1", at * IFREQ_BYTES, at * IFREQ_BYTES + 3),
  );
  expect(names).toEqual(["lo\0", "lo\0", "\0\0\0", "\0\0\0"]);
});

it("given an fd that is none, the error names the ioctl and says what it was about", () => {
  const error = errorOf(() =>
    ioctlEach({ fd: 2 ** 31 - 1 }, RNDGETENTCNT, new Uint8Array(8), (errno) => ({
      what: `refused, ${errno}`,
    })),
  );

  expect(error).toMatchObject({ code: "EBADF", ioctl: "RNDGETENTCNT" });
  expect(error.message).toContain("refused, -9");
});

it.each<[string, unknown[]]>([
  ["a stride of 0", [0, 1, new Uint8Array(4), 0]],
  ["a fraction for the stride", [0, 1, new Uint8Array(4), 1.5]],
  ["no bytes", [0, 1, 7, 4]],
  ["a request beyond 32 bits", [0, 2 ** 32, new Uint8Array(4), 4]],
  ["nothing at all", []],
])("the addon answers EINVAL to %s", (_, args) => {
  expect((kernel().ioctlEach as (...values: unknown[]) => number)(...args)).toBe(-22);
});

import { describe, expect, it } from "vitest";
import {
  defineIoctl,
  errnoOf,
  EventFd,
  Fd,
  ioctl,
  ioctlAsync,
  ioctlEach,
  kernel,
  openFile,
  SeqpacketListener,
  Struct,
  tryIoctl,
  unsafeIoctl,
  VfioError,
  VfioSystemError,
} from "../src/index.js";
import { vfioIoctls } from "../src/vfio/index.js";
import { errorOf, rejectionOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { socketFolder } from "./support/sockets.js";

const { VFIO_GET_API_VERSION } = vfioIoctls;
const count = new Struct("count", 4, { bits: [0, "s32"] });
const RNDGETENTCNT = defineIoctl("RNDGETENTCNT", 0x80045200, count); // _IOR('R', 0, int): the 32nd bit is set
const RNDADDTOENTCNT = defineIoctl("RNDADDTOENTCNT", 0x40045201, "int");
const FIONREAD = 0x541b;
const socketFile = socketFolder();
fdsStayAsTheyWere();

const openRandom = (): Fd => openFile("/dev/urandom", { flags: 0 });

describe("an ioctl that the kernel refuses", () => {
  it("is an error in the shape of Node's system errors, with the ioctl's name and the remedy", () => {
    using file = openFile("/dev/null");
    const error = errorOf(() =>
      ioctl(file, VFIO_GET_API_VERSION, 0, () => ({
        what: "cannot read the API version of /dev/null",
        hint: "Open /dev/vfio/vfio instead",
        path: "/dev/null",
      })),
    );
    expect(error).toBeInstanceOf(VfioSystemError);
    expect(error).toBeInstanceOf(VfioError);
    expect(error).toMatchObject({
      name: "VfioSystemError",
      code: "ENOTTY",
      errno: -25,
      syscall: "ioctl",
      ioctl: "VFIO_GET_API_VERSION",
      path: "/dev/null",
      hint: "Open /dev/vfio/vfio instead",
      message:
        "cannot read the API version of /dev/null: ENOTTY, inappropriate ioctl for device " +
        "(ioctl VFIO_GET_API_VERSION). Open /dev/vfio/vfio instead",
    });
  });

  it("names the ioctl when the caller says nothing", () => {
    using file = openFile("/dev/null");
    const error = errorOf(() => ioctl(file, VFIO_GET_API_VERSION, 0));
    expect(error.message).toContain("VFIO_GET_API_VERSION failed: ENOTTY");
  });

  it("is an answer, where one only asks whether it is possible", () => {
    using file = openFile("/dev/null");
    expect(tryIoctl(file, VFIO_GET_API_VERSION, 0)).toBe(-25);
  });

  it("on a closed file does not reach the kernel", () => {
    const file = openFile("/dev/null", { name: "the container" });
    file.close();
    const error = errorOf(() => ioctl(file, VFIO_GET_API_VERSION, 0));
    expect(error).toMatchObject({ code: "ERR_VFIO_CLOSED" });
    expect(error.message).toContain("the container is closed");
  });

  it("on a number that is not open is EBADF", () => {
    expect(errorOf(() => ioctl({ fd: 2 ** 31 - 1 }, VFIO_GET_API_VERSION, 0)).code).toBe("EBADF");
  });
});

describe("an ioctl that the kernel performs", () => {
  const { number } = RNDGETENTCNT;

  it.each([
    ["a number from 2^31 on", number, new ArrayBuffer(4)],
    ["the same number, negative", number | 0, new ArrayBuffer(4)],
    ["memory that threads share", number, new SharedArrayBuffer(4)],
  ])("with %s", (_, request, buffer) => {
    using random = openRandom();
    const bits = new Uint8Array(buffer).fill(0xff);
    expect(unsafeIoctl(random, request, bits)).toBe(0);
    expect(count.decode(bits).bits).toBeGreaterThanOrEqual(0);
  });

  // Wrapped to 32 bits, the first would be the number itself.
  it.each([2 ** 32 + number, 0.5, NaN, "0x80045200"])("but not one whose number is %s", (request) => {
    using random = openRandom();
    const bits = new Uint8Array(4).fill(0xff);
    expect(unsafeIoctl(random, request as never, bits)).toBe(-22);
    expect(kernel().ioctl(random.fd, request as never, bits)).toBe(-22);
    expect(bits).toEqual(new Uint8Array(4).fill(0xff));
  });

  it.each([1.5, NaN, 2 ** 53])("nor one whose argument is %s", (argument) => {
    using file = openFile("/dev/null");
    expect(unsafeIoctl(file, FIONREAD, argument)).toBe(-22);
    expect(unsafeIoctl(file, FIONREAD, 1)).toBe(-25);
  });

  it("and never one with an fd that is no fd, as if it were stdin", () => {
    for (const fd of [NaN, 0.5, 2 ** 32, "0", undefined, -1]) {
      expect(unsafeIoctl({ fd: fd as never }, number, new Uint8Array(4))).toBe(-9);
      expect(kernel().ioctl(fd as never, number, new Uint8Array(4))).toBe(-9);
      expect(errorOf(() => new Fd(fd as never, "nothing"))).toMatchObject({ code: "ERR_VFIO_FD" });
    }
  });
});

describe("several structs with one call", () => {
  /** The name of the network interface with a number: struct ifreq has 16 bytes for the name, then the number. */
  const SIOCGIFNAME = 0x8910;
  const IFREQ_BYTES = 40;
  const LOOPBACK = 1;

  it("are all filled in by the kernel", () => {
    using random = openRandom();
    const answers = new Uint8Array(12).fill(0xff);
    expect(ioctlEach(random, RNDGETENTCNT, answers)).toBe(3);
    for (const at of [0, 4, 8]) expect(count.read(answers, "bits", at)).toBeGreaterThanOrEqual(0);
  });

  it("of which it refuses one: those before are done, it alone is an error, and none behind is tried", () => {
    using socket = SeqpacketListener.listen(socketFile("socket"), 1);
    const requests = new Uint8Array(4 * IFREQ_BYTES);
    [LOOPBACK, LOOPBACK, 2 ** 31 - 1, LOOPBACK].forEach((number, at) => {
      new DataView(requests.buffer).setInt32(at * IFREQ_BYTES + 16, number, true);
    });
    const each = (bytes: Uint8Array): number =>
      kernel().ioctlEach(socket.fd, SIOCGIFNAME, bytes, IFREQ_BYTES);

    expect(each(requests)).toBe(2);
    expect(each(requests.subarray(2 * IFREQ_BYTES))).toBe(errnoOf("ENODEV"));

    const text = Buffer.from(requests).toString("latin1");
    const names = [0, 1, 2, 3].map((at) => text.slice(at * IFREQ_BYTES, at * IFREQ_BYTES + 3));
    expect(names).toEqual(["lo\0", "lo\0", "\0\0\0", "\0\0\0"]);
  });

  it("for an fd that is none: the error names the ioctl and says what it was about", () => {
    const context = (errno: number) => ({ what: `refused, ${errno}` });
    const error = errorOf(() => ioctlEach({ fd: 2 ** 31 - 1 }, RNDGETENTCNT, new Uint8Array(8), context));

    expect(error).toMatchObject({ code: "EBADF", ioctl: "RNDGETENTCNT" });
    expect(error.message).toContain("refused, -9");
  });

  it.each<[string, unknown[]]>([
    ["a stride of 0", [0, 1, new Uint8Array(4), 0]],
    ["a fraction for the stride", [0, 1, new Uint8Array(4), 1.5]],
    ["no bytes", [0, 1, 7, 4]],
    ["a request beyond 32 bits", [0, 2 ** 32, new Uint8Array(4), 4]],
    ["nothing at all", []],
  ])("are EINVAL for the addon with %s", (_, args) => {
    expect((kernel().ioctlEach as (...values: unknown[]) => number)(...args)).toBe(-22);
  });
});

describe("an ioctl off the event loop", () => {
  it("fills its struct and gives the kernel's result", async () => {
    using random = openRandom();
    const answer = count.encode({ bits: -1 });
    expect(await ioctlAsync(random, RNDGETENTCNT, answer)).toBe(0);
    expect(count.decode(answer).bits).toBeGreaterThanOrEqual(0);
  });

  it("lets the file be closed meanwhile, and its number become another file's", async () => {
    const random = openRandom();
    const answers = Array.from({ length: 50 }, () => count.encode({ bits: -1 }));
    const results = answers.map((answer) => ioctlAsync(random, RNDGETENTCNT, answer));
    const number = random.fd;
    random.close();
    using other = EventFd.create();
    expect(other.fd).toBeGreaterThanOrEqual(number);
    expect(await Promise.all(results)).toEqual(answers.map(() => 0));
    expect(answers.filter((answer) => count.decode(answer).bits < 0)).toEqual([]);
  });

  it("leaves alone a struct whose memory went away meanwhile", async () => {
    using random = openRandom();
    const answer = count.encode({ bits: -1 });
    const result = ioctlAsync(random, RNDGETENTCNT, answer);
    structuredClone(answer, { transfer: [answer.buffer as ArrayBuffer] });
    expect(await result).toBe(0);
    expect(answer.length).toBe(0);
  });

  it("rejects with the error of the same ioctl in the event loop", async () => {
    using event = EventFd.create();
    const context = () => ({ what: "cannot count" });
    const error = await rejectionOf(ioctlAsync(event, RNDGETENTCNT, count.encode(), context));
    expect(error).toMatchObject({ code: "ENOTTY", syscall: "ioctl", ioctl: "RNDGETENTCNT" });
    expect(error.message).toContain("cannot count");
    const short = await rejectionOf(ioctlAsync(event, RNDGETENTCNT, new Uint8Array(3)));
    const text = await rejectionOf(ioctlAsync(event, RNDADDTOENTCNT, "1" as unknown as number));
    expect([short.code, text.code]).toEqual(["ERR_VFIO_IOCTL_ARGUMENT", "ERR_VFIO_IOCTL_ARGUMENT"]);
  });

  it("answers what is no fd, number or argument with -errno, as all native functions", async () => {
    const call = kernel().ioctlAsync as (...values: unknown[]) => Promise<number>;
    using event = EventFd.create();
    for (const fd of [-1, NaN]) expect(await call(fd, FIONREAD, 0)).toBe(errnoOf("EBADF"));
    for (const args of [[2 ** 32, 0], [FIONREAD, "0"], [FIONREAD, new Float64Array(2)], []])
      expect(await call(event.fd, ...args)).toBe(errnoOf("EINVAL"));
  });
});

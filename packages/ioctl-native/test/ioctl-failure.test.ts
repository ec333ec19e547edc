import { describe, expect, it } from "vitest";
import {
  Fd,
  ioctl,
  openFile,
  tryIoctl,
  unsafeIoctl,
  VfioError,
  vfioIoctls,
  VfioSystemError,
} from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

const { VFIO_GET_API_VERSION } = vfioIoctls;
fdsStayAsTheyWere();

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
  const RNDGETENTCNT = 0x80045200; // _IOR('R', 0, int): its number has the 32nd bit set

  it.each([RNDGETENTCNT, RNDGETENTCNT | 0])("with the number %d, from 2^31 on or negative", (request) => {
    using random = openFile("/dev/urandom", { flags: 0 });
    const bits = new Uint8Array(4).fill(0xff);
    expect(unsafeIoctl(random, request, bits)).toBe(0);
    expect(new DataView(bits.buffer).getInt32(0, true)).toBeGreaterThanOrEqual(0);
  });

  it("into memory that threads share", () => {
    using random = openFile("/dev/urandom", { flags: 0 });
    const bits = new Uint8Array(new SharedArrayBuffer(4)).fill(0xff);
    expect(unsafeIoctl(random, RNDGETENTCNT, bits)).toBe(0);
    expect(new DataView(bits.buffer).getInt32(0, true)).toBeGreaterThanOrEqual(0);
  });

  it.each([
    ["more than 32 bits", 2 ** 32],
    ["a fraction", 0.5],
    ["NaN", NaN],
    ["a string", "0x80045200"],
  ])("but not one whose number is %s", (_, request) => {
    using random = openFile("/dev/urandom", { flags: 0 });
    expect(unsafeIoctl(random, request as never, new Uint8Array(4))).toBe(-22);
  });

  it("and never one with an fd that is no fd, as if it were stdin", () => {
    for (const fd of [NaN, 0.5, 2 ** 32, "0", undefined, -1]) {
      expect(unsafeIoctl({ fd: fd as never }, RNDGETENTCNT, new Uint8Array(4))).toBe(-9);
      expect(errorOf(() => new Fd(fd as never, "nothing"))).toMatchObject({ code: "ERR_VFIO_FD" });
    }
  });
});

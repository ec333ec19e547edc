import { beforeEach, describe, expect, it } from "vitest";
import { defineIoctl, ioctl, ioctlEach, Struct, tryIoctl, type Ioctl } from "../src/index.js";
import { vfioIoctls, vfioStructs } from "../src/vfio/index.js";
import { expectRangeError } from "./support/errors.js";
import { withKernel } from "./support/fake-kernel.js";

const { VFIO_GROUP_GET_STATUS, VFIO_CHECK_EXTENSION, VFIO_GROUP_SET_CONTAINER, VFIO_GROUP_GET_DEVICE_FD } =
  vfioIoctls;
const { vfio_group_status: status } = vfioStructs;
const file = { fd: 0 };

let calls: [fd: number, request: number, argument: number | Uint8Array][] = [];
beforeEach(() => {
  calls = [];
});
withKernel({
  ioctlEach: (...[fd, request, structs]) => (calls.push([fd, request, structs]), 1),
  ioctl: (...call) => (calls.push(call), 5),
});

describe("what the kernel gets", () => {
  it("an integer as it is, on fd 0 too, and its result comes back", () => {
    expect(ioctl(file, VFIO_CHECK_EXTENSION, -1)).toBe(5);
    expect(tryIoctl(file, VFIO_CHECK_EXTENSION, 3)).toBe(5);
    expect(calls).toEqual([
      [0, 0x3b65, -1],
      [0, 0x3b65, 3],
    ]);
  });

  it("an int pointer as four bytes", () => {
    ioctl(file, VFIO_GROUP_SET_CONTAINER, 0x01020304);
    expect(calls[0]?.[2]).toEqual(new Uint8Array([4, 3, 2, 1]));
  });

  it("a string with its NUL", () => {
    ioctl(file, VFIO_GROUP_GET_DEVICE_FD, "0000:00:10.0");
    expect(Buffer.from(calls[0]?.[2] as Uint8Array).toString()).toBe("0000:00:10.0\0");
  });

  it("a struct as the caller's own buffer, so that the answer is found there", () => {
    const buffer = status.encode({ argsz: 8 });
    ioctl(file, VFIO_GROUP_GET_STATUS, buffer);
    expect(calls[0]?.[2]).toBe(buffer);
  });

  it("a struct that is longer than declared, with argsz anywhere up to the buffer's end", () => {
    for (const argsz of [8, 10, 16]) ioctl(file, VFIO_GROUP_GET_STATUS, status.encode({ argsz }, 16));
    expect(calls).toHaveLength(3);
  });

  it("a long struct, whichever bytes of argsz its length fills", () => {
    for (const argsz of [0x80, 0x100, 0x1_0000, 0x9_8765, 0x100_0000])
      ioctl(file, VFIO_GROUP_GET_STATUS, status.encode({ argsz }, argsz));
    expect(calls).toHaveLength(5);
  });

  it("several structs as one buffer, and how many the kernel took comes back", () => {
    const structs = new Uint8Array(24);
    for (const at of [0, 8, 16]) status.write(structs, { argsz: 8 }, at);
    expect(ioctlEach(file, VFIO_GROUP_GET_STATUS, structs)).toBe(1);
    expect(calls).toEqual([[0, VFIO_GROUP_GET_STATUS.number, structs]]);
  });

  it("a struct without argsz is only measured", () => {
    const request = defineIoctl("PLAIN", 1, new Struct("plain", 4, { value: [0, "u32"] }));
    ioctl(file, request, new Uint8Array(4));
    ioctlEach(file, request, new Uint8Array(12));
    expect(calls).toHaveLength(2);
  });
});

const shared = new Uint8Array(new SharedArrayBuffer(8));
status.write(shared, { argsz: 8 });
const detached = status.encode({ argsz: 8 });
structuredClone(detached.buffer, { transfer: [detached.buffer as ArrayBuffer] });

describe("what is wrong with an argument is said before the kernel sees it", () => {
  it.each<[string, Ioctl, unknown, RegExp]>([
    ["a struct too small", VFIO_GROUP_GET_STATUS, new Uint8Array(7), /vfio_group_status .* at least 8 bytes/],
    ["argsz beyond the buffer", VFIO_GROUP_GET_STATUS, status.encode({ argsz: 9 }), /argsz 9, outside 8 to/],
    ["argsz below the struct", VFIO_GROUP_GET_STATUS, status.encode({ argsz: 7 }), /argsz 7, outside 8 to/],
    ["argsz forgotten", VFIO_GROUP_GET_STATUS, new Uint8Array(8), /argsz 0/],
    ["argsz that another thread may change", VFIO_GROUP_GET_STATUS, shared, /SharedArrayBuffer/],
    ["a detached buffer", VFIO_GROUP_GET_STATUS, detached, /at least 8 bytes/],
    ["a number for a struct", VFIO_GROUP_GET_STATUS, 8, /as a Uint8Array/],
    ["another array for a struct", VFIO_GROUP_GET_STATUS, new Uint32Array(8), /as a Uint8Array/],
    ["nothing for a struct", VFIO_GROUP_GET_STATUS, undefined, /as a Uint8Array/],
    ["a fraction", VFIO_CHECK_EXTENSION, 1.5, /32-bit integer, not 1.5/],
    ["NaN", VFIO_CHECK_EXTENSION, NaN, /32-bit integer/],
    ["more than 32 bits", VFIO_CHECK_EXTENSION, 2 ** 31, /32-bit integer, not 2147483648/],
    ["a string for a number", VFIO_CHECK_EXTENSION, "1", /32-bit integer, not "1"/],
    ["a bigint for a number", VFIO_CHECK_EXTENSION, 1n, /32-bit integer, not bigint/],
    ["an object for an int pointer", VFIO_GROUP_SET_CONTAINER, { fd: 3 }, /32-bit integer, not object/],
    ["a number for a string", VFIO_GROUP_GET_DEVICE_FD, 7, /string without NUL characters, not 7/],
    ["a NUL in a string", VFIO_GROUP_GET_DEVICE_FD, "0000:00:10.0\0x", /string without NUL/],
  ])("%s", (_, request, value, message) => {
    const call = (): unknown => ioctl(file, request, value as never);
    expectRangeError(call, "ERR_VFIO_IOCTL_ARGUMENT", message, new RegExp(`^${request.name}`));
    expect(calls).toEqual([]);
  });
});

describe("what is wrong with one of several structs is said before the kernel sees any", () => {
  const second = new Uint8Array(16);
  status.write(second, { argsz: 8 }, 0);
  status.write(second, { argsz: 16 }, 8);

  it.each<[string, unknown, RegExp]>([
    ["none at all", new Uint8Array(0), /one struct vfio_group_status or several .* 8 bytes each/],
    ["a part of one", new Uint8Array(12), /one struct vfio_group_status or several/],
    ["an argsz that reaches into the next", second, /argsz 16 instead of 8/],
    ["argsz forgotten", new Uint8Array(8), /argsz 0 instead of 8/],
    ["memory that another thread may change", shared, /SharedArrayBuffer/],
    ["a detached buffer", detached, /one struct vfio_group_status or several/],
    ["another array", new Uint32Array(8), /as a Uint8Array/],
    ["nothing", undefined, /as a Uint8Array/],
  ])("%s", (_, structs, message) => {
    const call = (): unknown => ioctlEach(file, VFIO_GROUP_GET_STATUS, structs as never);
    expectRangeError(call, "ERR_VFIO_IOCTL_ARGUMENT", message);
    expect(calls).toEqual([]);
  });
});

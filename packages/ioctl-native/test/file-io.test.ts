import vm from "node:vm";
import { describe, expect, it } from "vitest";
import { Fd, ioctl, kernel, openFile, readAt, readStrided, writeAt } from "../src/index.js";
import { vfioIoctls } from "../src/vfio/index.js";
import { errorOf, expectRangeError } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { memoryFile } from "./support/memory.js";
import { Pair, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();

describe("reading and writing at an offset", () => {
  it("what was written comes back, and nothing around it changed", () => {
    using file = memoryFile();
    writeAt(file, 4, new Uint8Array([1, 2, 3]), "memory");
    expect([...readAt(file, 3, 5, "memory")]).toEqual([0, 1, 2, 3, 0]);
  });

  it("nothing at all is possible", () => {
    using file = memoryFile();
    writeAt(file, 0, new Uint8Array(0), "memory");
    expect(readAt(file, 0, 0, "memory")).toHaveLength(0);
  });

  it("an offset beyond 32 bits reaches the kernel whole", () => {
    using zeroes = openFile("/dev/zero");
    expect(readAt(zeroes, 7 * 2 ** 40, 4, "config space")).toEqual(new Uint8Array(4));
  });

  it("a short read is an error, with what came and what was wanted", () => {
    using file = memoryFile();
    const error = errorOf(() => readAt(file, 4094, 4, "the config space"));
    expect(error.code).toBe("ERR_VFIO_SHORT_IO");
    expect(error.message).toBe("short read: 2 of 4 bytes at 0xffe of the config space");
  });

  it("a refused one is a system error that names the place", () => {
    using readable = openFile("/dev/null", { flags: 0 });
    const error = errorOf(() => writeAt(readable, 16, new Uint8Array(2), "config space"));
    expect(error).toMatchObject({ code: "EBADF", syscall: "pwrite" });
    expect(error.message).toContain("cannot write 2 bytes at 0x10 of config space");
  });

  it.each([-1, 0.5, NaN, 2 ** 53, "0", 0n])("offset %s is refused before the kernel sees it", (offset) => {
    using zeroes = openFile("/dev/zero");
    expectRangeError(() => readAt(zeroes, offset as never, 4, "zeroes"), "ERR_VFIO_IO_RANGE");
  });

  it.each([-1, 1.5, NaN])("length %s is refused before the kernel sees it", (bytes) => {
    using zeroes = openFile("/dev/zero");
    expectRangeError(() => readAt(zeroes, 0, bytes, "zeroes"), "ERR_VFIO_IO_RANGE");
  });

  it.each([["text"], [[1, 2]], [new Uint16Array(2)], [undefined]])("%s can't be written", (bytes) => {
    using sink = openFile("/dev/null");
    expect(errorOf(() => writeAt(sink, 0, bytes as never, "sink"))).toMatchObject({
      code: "ERR_VFIO_IO_RANGE",
      message: "sink is written with a Uint8Array",
    });
  });
});

describe("reading each nth entry of a table", () => {
  it("one call reads just those that are wanted", () => {
    using file = memoryFile();
    const table = Uint8Array.from({ length: 64 }, (_, index) => index);
    writeAt(file, 0, table, "a table");

    const bytes = readStrided(file, { offset: 8, stride: 16, width: 2, count: 3 }, "a table");

    expect([...bytes]).toEqual([8, 9, 24, 25, 40, 41]);
  });

  it("the error names where a table ends before the last read", () => {
    using file = memoryFile();
    const wanted = { offset: 0, stride: 4000, width: 200, count: 2 };
    const error = errorOf(() => readStrided(file, wanted, "a table"));

    expect(error).toMatchObject({ code: "ERR_VFIO_SHORT_IO" });
    expect(error.message).toContain("0xfa0 of a table");
  });

  it("where the next entry would lie beyond all offsets, the error says so, and no number wraps", () => {
    using file = memoryFile();
    using zeroes = openFile("/dev/zero");
    const stride = Number.MAX_SAFE_INTEGER;
    const entries = (count: number) => ({ offset: 0, stride, width: 8, count });

    expect(readStrided(file, entries(1), "a table")).toHaveLength(8);
    expect(kernel().preadStrided(file.fd, new Uint8Array(2000 * 8), 8, 0, stride)).toBe(1);
    expect(kernel().preadStrided(file.fd, new Uint8Array(0), 8, stride, stride)).toBe(0);
    expect(errorOf(() => readStrided(zeroes, entries(2000), "zeroes"))).toMatchObject({ code: "EOVERFLOW" });
  });

  it("of an fd that is none, the error is the system's", () => {
    using file = new Fd(100_000, "nothing");
    const wanted = { offset: 0, stride: 8, width: 8, count: 1 };
    expect(errorOf(() => readStrided(file, wanted, "nothing"))).toMatchObject({ code: "EBADF" });
    file.release();
  });
});

describe("an array of another realm, as tests in a vm context make,", () => {
  const foreign = (text: string): Uint8Array => vm.runInNewContext(text) as Uint8Array;

  it("is as good as any", () => {
    using file = memoryFile();
    using pair = new Pair(pathOf("pair"));
    const bytes = foreign("new Uint8Array([1, 2, 3])");
    expect(bytes instanceof Uint8Array).toBe(false);

    writeAt(file, 0, bytes, "the file");
    pair.near.send(bytes);

    expect([...readAt(file, 0, 3, "the file")]).toEqual([1, 2, 3]);
    expect([...(pair.far.receive(9)?.bytes ?? [])]).toEqual([1, 2, 3]);
  });

  it("as a struct for an ioctl goes to the kernel; shared memory is refused there too", () => {
    using file = openFile("/dev/null");
    const request = vfioIoctls.VFIO_GROUP_GET_STATUS;
    const bytes = "new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0])";
    const shared = "new Uint8Array(new SharedArrayBuffer(8)).fill(8, 0, 1)";

    expect(errorOf(() => ioctl(file, request, foreign(bytes))).code).toBe("ENOTTY");
    expect(errorOf(() => ioctl(file, request, foreign(shared))).message).toContain("SharedArrayBuffer");
  });
});

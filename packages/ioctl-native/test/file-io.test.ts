import { describe, expect, it } from "vitest";
import { createMemoryFile, openFile, readAt, writeAt } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";

fdsStayAsTheyWere();
const ordinary = { bytes: 4096, pageBytes: 4096 };

describe("reading and writing at an offset", () => {
  it("what was written comes back, and nothing around it changed", () => {
    using file = createMemoryFile(ordinary);
    writeAt(file, 4, new Uint8Array([1, 2, 3]), "memory");
    expect([...readAt(file, 3, 5, "memory")]).toEqual([0, 1, 2, 3, 0]);
  });

  it("nothing at all is possible", () => {
    using file = createMemoryFile(ordinary);
    writeAt(file, 0, new Uint8Array(0), "memory");
    expect(readAt(file, 0, 0, "memory")).toHaveLength(0);
  });

  it("an offset beyond 32 bits reaches the kernel whole", () => {
    using zeroes = openFile("/dev/zero");
    expect(readAt(zeroes, 7 * 2 ** 40, 4, "config space")).toEqual(new Uint8Array(4));
  });

  it("a short read is an error, with what came and what was wanted", () => {
    using file = createMemoryFile(ordinary);
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

  it.each([
    [-1, 4],
    [0.5, 4],
    [NaN, 4],
    [2 ** 53, 4],
    [0, -1],
    [0, 1.5],
    [0, NaN],
    ["0", 4],
    [0n, 4],
  ])("offset %s and length %s are refused before the kernel sees them", (offset, bytes) => {
    using zeroes = openFile("/dev/zero");
    const error = errorOf(() => readAt(zeroes, offset as never, bytes, "zeroes"));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe("ERR_VFIO_IO_RANGE");
  });

  it.each([["text"], [[1, 2]], [new Uint16Array(2)], [undefined]])("%s can't be written", (bytes) => {
    using sink = openFile("/dev/null");
    expect(errorOf(() => writeAt(sink, 0, bytes as never, "sink")).code).toBe("ERR_VFIO_IO_RANGE");
  });
});

import { errorOf } from "@vfio/test-support";
import { expect, it } from "vitest";
import { createMemoryFile, Fd, kernel, openFile, readStrided, writeAt } from "../src/index.js";

it("given a table of which every fourth entry is wanted, one call reads just those", () => {
  using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  writeAt(
    file,
    0,
    Uint8Array.from({ length: 64 }, (_, index) => index),
    "a table",
  );

  const bytes = readStrided(file, { offset: 8, stride: 16, width: 2, count: 3 }, "a table");

  expect([...bytes]).toEqual([8, 9, 24, 25, 40, 41]);
});

it("given a table that ends before the last read, the error names where", () => {
  using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });

  const error = errorOf(() =>
    readStrided(file, { offset: 0, stride: 4000, width: 200, count: 2 }, "a table"),
  );

  expect(error).toMatchObject({ code: "ERR_VFIO_SHORT_IO" });
  expect(error.message).toContain("0xfa0 of a table");
});

it("given a table whose next entry would lie beyond all offsets, the error says so, and no number wraps", () => {
  using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  const stride = Number.MAX_SAFE_INTEGER;

  const bytes = readStrided(file, { offset: 0, stride, width: 8, count: 1 }, "a table");

  expect(bytes).toHaveLength(8);
  expect(kernel().preadStrided(file.fd, new Uint8Array(2000 * 8), 8, 0, stride)).toBe(1);
  expect(kernel().preadStrided(file.fd, new Uint8Array(0), 8, stride, stride)).toBe(0);
  using zeroes = openFile("/dev/zero");
  expect(
    errorOf(() => readStrided(zeroes, { offset: 0, stride, width: 8, count: 2000 }, "zeroes")),
  ).toMatchObject({ code: "EOVERFLOW" });
});

it("given an fd that is none, the error is the system's", () => {
  using file = new Fd(100_000, "nothing");
  expect(
    errorOf(() => readStrided(file, { offset: 0, stride: 8, width: 8, count: 1 }, "nothing")),
  ).toMatchObject({ code: "EBADF" });
  file.release();
});

import { errorOf } from "@vfio/test-support";
import { expect, it } from "vitest";
import { createMemoryFile, Fd, readStrided, writeAt } from "../src/index.js";

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

it("given an fd that is none, the error is the system's", () => {
  using file = new Fd(100_000, "nothing");
  expect(
    errorOf(() => readStrided(file, { offset: 0, stride: 8, width: 8, count: 1 }, "nothing")),
  ).toMatchObject({ code: "EBADF" });
  file.release();
});

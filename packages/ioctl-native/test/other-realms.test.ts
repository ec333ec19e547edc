import vm from "node:vm";
import { expect, it } from "vitest";
import { createMemoryFile, ioctl, Mapping, openFile, readAt, vfioIoctls, writeAt } from "../src/index.js";
import { errorOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { Pair, socketFolder } from "./support/sockets.js";

const pathOf = socketFolder();
fdsStayAsTheyWere();

const foreign = (text: string): Uint8Array => vm.runInNewContext(text) as Uint8Array;

it("given an array of another realm, as tests in a vm context make, it is as good as any", () => {
  using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  using pair = new Pair(pathOf("pair"));
  const bytes = foreign("new Uint8Array([1, 2, 3])");
  expect(bytes instanceof Uint8Array).toBe(false);

  writeAt(file, 0, bytes, "the file");
  pair.near.send(bytes);

  expect([...readAt(file, 0, 3, "the file")]).toEqual([1, 2, 3]);
  expect([...(pair.far.receive(9)?.bytes ?? [])]).toEqual([1, 2, 3]);
});

it("given a struct of another realm for an ioctl, the kernel gets it; shared memory is refused there too", () => {
  using file = openFile("/dev/null");
  const request = vfioIoctls.VFIO_GROUP_GET_STATUS;
  const bytes = "new Uint8Array([8, 0, 0, 0, 0, 0, 0, 0])";
  const shared = "new Uint8Array(new SharedArrayBuffer(8)).fill(8, 0, 1)";

  expect(errorOf(() => ioctl(file, request, foreign(bytes))).code).toBe("ENOTTY");
  expect(errorOf(() => ioctl(file, request, foreign(shared))).message).toContain("SharedArrayBuffer");
});

it("given what is no array, it is not said to be so many bytes", () => {
  using file = openFile("/dev/null");
  const error = errorOf(() => writeAt(file, 0, "text" as never, "the file"));
  expect(error).toMatchObject({
    code: "ERR_VFIO_IO_RANGE",
    message: "the file is written with a Uint8Array",
  });
});

it("given a mapping without a name, its errors name the fd", () => {
  using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
  expect(errorOf(() => Mapping.map({ file, bytes: 8192 })).message).toContain(`8192 bytes of fd ${file.fd}`);
  expect(errorOf(() => Mapping.map({ file, bytes: 0 })).message).toContain(`of fd ${file.fd}`);
});

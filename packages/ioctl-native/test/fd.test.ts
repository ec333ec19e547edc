import { fstatSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { errnoOf, EventFd, Fd, kernel, openFile, realKernel, useKernel } from "../src/index.js";
import { errorOf, expectRangeError, rejectionOf } from "./support/errors.js";
import { resultOfChild } from "./support/elsewhere.js";
import { fdsStayAsTheyWere, openFds } from "./support/leaks.js";

fdsStayAsTheyWere();

describe("a file descriptor", () => {
  it("is closed once, however often close() is called", () => {
    const closed: number[] = [];
    using _undo = useKernel({ ...realKernel(), close: (fd) => closed.push(fd) - 1 });
    const file = new Fd(42, "a file");
    file.close();
    file.close();
    file[Symbol.dispose]();
    expect(closed).toEqual([42]);
    expect(file.closed).toBe(true);
  });

  it("0 is one like any other", () => {
    const zero = `
      import { closeSync, fstatSync } from "node:fs";
      closeSync(0);
      const file = vfio.openFile("/dev/zero");
      const copy = file.duplicate();
      const fd = file.fd;
      const bytes = vfio.readAt(file, 0, 4, "zeroes");
      file.close();
      let open = true;
      try { fstatSync(0); } catch { open = false; }
      console.log(JSON.stringify({ fd, bytes: [...bytes], closed: file.closed, open, copy: copy.fd > 0 }));`;
    const expected = { fd: 0, bytes: [0, 0, 0, 0], closed: true, open: false, copy: true };
    expect(resultOfChild(zero)).toEqual(expected);
  });

  it("used after its close says what it was", () => {
    const file = openFile("/dev/null", { name: "IOMMU group 5" });
    file.close();
    for (const use of [() => file.fd, () => file.duplicate(), () => file.release()]) {
      expect(errorOf(use)).toMatchObject({
        code: "ERR_VFIO_CLOSED",
        message: "IOMMU group 5 is closed and cannot be used any more",
      });
    }
  });

  it("released belongs to the caller: closing the object no longer closes it", () => {
    const file = openFile("/dev/null");
    const fd = file.release();
    file.close();
    expect(file.closed).toBe(true);
    expect(fstatSync(fd).isCharacterDevice()).toBe(true);
    expect(kernel().close(fd)).toBe(0);
  });

  it("duplicated lives on when the first is closed", () => {
    const first = openFile("/dev/null");
    using second = first.duplicate();
    expect(second.fd).not.toBe(first.fd);
    first.close();
    expect(fstatSync(second.fd).isCharacterDevice()).toBe(true);
  });

  it("whose close fails says so, and is not closed a second time", () => {
    const file = new Fd(2 ** 30, "a number that is not open");
    expect(errorOf(() => file.close())).toMatchObject({ code: "EBADF", syscall: "close" });
    expect(() => file.close()).not.toThrow();
  });

  it.each([-1, 0.5, NaN, Infinity, 2 ** 31, "3", undefined, null])("cannot be %s", (fd) => {
    expectRangeError(() => new Fd(fd as never, "the container"), "ERR_VFIO_FD", "the container");
  });

  it("is not inherited by child processes, whichever way it was made", () => {
    using file = openFile("/dev/null");
    using copy = file.duplicate();
    using event = EventFd.create();
    const ours = [file, copy, event].map(({ fd }) => fd);
    const listed = spawnSync("ls", ["/proc/self/fd"], { encoding: "utf8" }).stdout.split("\n");
    expect(listed).toContain("0");
    for (const fd of ours) expect(listed).not.toContain(String(fd));
  });
});

describe("a close off the event loop", () => {
  it("closes the object at once and the descriptor by the promise's end", async () => {
    const file = openFile("/dev/null");
    const number = file.fd;
    const closing = file.closeAsync();
    expect(file.closed).toBe(true);
    expect(errorOf(() => file.fd).code).toBe("ERR_VFIO_CLOSED");
    await closing;
    expect(kernel().dup(number)).toBe(errnoOf("EBADF"));
    await file.closeAsync();
    file.close();
  });

  it("that the kernel refuses is an error, once", async () => {
    using _kernel = useKernel({ ...realKernel(), closeAsync: () => Promise.resolve(errnoOf("EIO")) });
    const file = openFile("/dev/null");
    const number = file.fd;
    expect(await rejectionOf(file.closeAsync())).toMatchObject({ code: "EIO", syscall: "close" });
    await file.closeAsync();
    expect(kernel().close(number)).toBe(0);
  });
});

describe("opening a file that can't be opened", () => {
  it("names path, call and errno, and the hint for that errno", () => {
    const hint = (errno: number): string => `modprobe vfio (${errno})`;
    const error = errorOf(() => openFile("/dev/vfio/none", { hint }));
    expect(error).toMatchObject({ code: "ENOENT", errno: -2, syscall: "open", path: "/dev/vfio/none" });
    expect(error.message).toBe(
      "cannot open /dev/vfio/none: ENOENT, no such file or directory (open). modprobe vfio (-2)",
    );
  });

  it("calls it by its name and by its path", () => {
    const error = errorOf(() => openFile("/proc/none", { name: "IOMMU group 5" }));
    expect(error.message).toContain("cannot open IOMMU group 5 (/proc/none)");
    expect(error.hint).toBeUndefined();
  });

  it.each([
    ["with a NUL in it", "/dev/null\0.txt", "EINVAL"],
    ["that is no text", 7, "ERR_VFIO_ARGUMENT"],
  ])("refuses a path %s, and opens nothing", (_, path, code) => {
    const before = openFds();
    expect(errorOf(() => openFile(path as never)).code).toBe(code);
    expect(openFds()).toEqual(before);
  });

  it("is EINVAL for flags that are none", () => {
    expect(errorOf(() => openFile("/dev/null", { flags: NaN })).code).toBe("EINVAL");
  });
});

import { constants } from "node:fs";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defineIoctl, errnoOf, EventFd, ioctlAsync, kernel, openFile, Struct } from "../src/index.js";
import { errorOf, rejectionOf } from "./support/errors.js";
import { fdsStayAsTheyWere } from "./support/leaks.js";
import { withKernel } from "./support/fake-kernel.js";

fdsStayAsTheyWere();

const count = new Struct("count", 4, { bits: [0, "s32"] });
const RNDGETENTCNT = defineIoctl("RNDGETENTCNT", 0x80045200, count);
const RNDADDTOENTCNT = defineIoctl("RNDADDTOENTCNT", 0x40045201, "int");
const FIONREAD = 0x541b;

describe("an ioctl off the event loop", () => {
  it("fills its struct and gives the kernel's result", async () => {
    using random = openFile("/dev/urandom", { flags: constants.O_RDONLY });
    const answer = count.encode({ bits: -1 });
    expect(await ioctlAsync(random, RNDGETENTCNT, answer)).toBe(0);
    expect(count.decode(answer).bits).toBeGreaterThanOrEqual(0);
  });

  it("lets the file be closed meanwhile, and its number become another file's", async () => {
    const random = openFile("/dev/urandom", { flags: constants.O_RDONLY });
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
    using random = openFile("/dev/urandom", { flags: constants.O_RDONLY });
    const answer = count.encode({ bits: -1 });
    const result = ioctlAsync(random, RNDGETENTCNT, answer);
    structuredClone(answer, { transfer: [answer.buffer as ArrayBuffer] });
    expect(await result).toBe(0);
    expect(answer.length).toBe(0);
  });

  it("rejects with the error of the same ioctl in the event loop", async () => {
    using event = EventFd.create();
    const error = await rejectionOf(
      ioctlAsync(event, RNDGETENTCNT, count.encode(), () => ({ what: "cannot count" })),
    );
    expect(error).toMatchObject({ code: "ENOTTY", syscall: "ioctl", ioctl: "RNDGETENTCNT" });
    expect(error.message).toContain("cannot count");
    const short = await rejectionOf(ioctlAsync(event, RNDGETENTCNT, new Uint8Array(3)));
    expect(short.code).toBe("ERR_VFIO_IOCTL_ARGUMENT");
    const text = await rejectionOf(ioctlAsync(event, RNDADDTOENTCNT, "1" as unknown as number));
    expect(text.code).toBe("ERR_VFIO_IOCTL_ARGUMENT");
  });

  it("answers what is no fd, number or argument with -errno, as all native functions", async () => {
    const call = kernel().ioctlAsync as (...values: unknown[]) => Promise<number>;
    using event = EventFd.create();
    expect(await call(-1, FIONREAD, 0)).toBe(errnoOf("EBADF"));
    expect(await call(Number.NaN, FIONREAD, 0)).toBe(errnoOf("EBADF"));
    expect(await call(event.fd, 2 ** 32, 0)).toBe(errnoOf("EINVAL"));
    expect(await call(event.fd, FIONREAD, "0")).toBe(errnoOf("EINVAL"));
    expect(await call(event.fd, FIONREAD, new Float64Array(2))).toBe(errnoOf("EINVAL"));
    expect(await call(event.fd)).toBe(errnoOf("EINVAL"));
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

  describe("that the kernel refuses", () => {
    withKernel({ closeAsync: () => Promise.resolve(errnoOf("EIO")) });
    it("is an error, once", async () => {
      const file = openFile("/dev/null");
      const number = file.fd;
      expect(await rejectionOf(file.closeAsync())).toMatchObject({ code: "EIO", syscall: "close" });
      await file.closeAsync();
      expect(kernel().close(number)).toBe(0);
    });
  });
});

describe("an attribute written off the event loop", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "vfio-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("gets the text, if it is there", async () => {
    const file = path.join(folder, "bind");
    writeFileSync(file, "something longer");
    expect(await kernel().writeTextAsync(file, "0000:00:10.0")).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("0000:00:10.0");
    expect(await kernel().writeTextAsync(path.join(folder, "bnid"), "x")).toBe(errnoOf("ENOENT"));
    expect(await kernel().writeTextAsync(folder, "x")).toBe(errnoOf("EISDIR"));
  });
});

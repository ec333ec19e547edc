import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import vm from "node:vm";
import { describe, expect, it } from "vitest";
import {
  check,
  errnoOf,
  hasErrno,
  ioctl,
  isError,
  messageOf,
  openFile,
  VfioError,
  VfioRangeError,
  VfioSystemError,
} from "../src/index.js";
import { vfioIoctls } from "../src/vfio/index.js";
import { errorOf } from "./support/errors.js";

const refused = (context = {}): VfioSystemError =>
  new VfioSystemError(errnoOf("EACCES"), { syscall: "open", what: "cannot open it", ...context });

/** Looks somewhere for a remedy, and fails itself, as where no fd is left. */
function looksInVain(): string {
  return readFileSync("/proc/self/no-such-file", "utf8");
}

describe("given a failure whose hint has to be looked for, and looking fails", () => {
  it.each<[string, () => Error & { hint: string | undefined }]>([
    ["a system call's", () => refused({ hint: looksInVain })],
    ["a refusal's", () => new VfioError("ERR_VFIO_CLOSED", "cannot open it", { hint: looksInVain })],
    ["a range's", () => new VfioRangeError("ERR_VFIO_FD", "cannot open it", { hint: looksInVain })],
  ])("%s failure is told, without a hint", (_, make) => {
    const error = make();

    expect(error.message).toMatch(/^cannot open it/);
    expect([error.hint, "hint" in error]).toEqual([undefined, false]);
  });

  it("a context that fails as a whole leaves the errno", () => {
    const error = errorOf(() => check(errnoOf("EMFILE"), () => ({ syscall: "open", what: looksInVain() })));

    expect(error).toMatchObject({ code: "EMFILE", errno: -24, syscall: "unknown" });
  });

  it("of an ioctl it leaves the request too", () => {
    using file = openFile("/dev/null");
    const request = vfioIoctls.VFIO_GET_API_VERSION;

    const error = errorOf(() => ioctl(file, request, 0, () => ({ what: looksInVain() })));

    expect(error).toMatchObject({ code: "ENOTTY", syscall: "ioctl", ioctl: "VFIO_GET_API_VERSION" });
  });

  it("of a file that does not open the path too", () => {
    const error = errorOf(() => openFile("/no/such", { hint: looksInVain }));

    expect(error).toMatchObject({ code: "ENOENT", syscall: "open", path: "/no/such" });
  });
});

it("given a hint that has to be looked for, and is found, then it ends the message", () => {
  expect(refused({ hint: () => "Be root" })).toMatchObject({
    hint: "Be root",
    message: "cannot open it: EACCES, permission denied (open). Be root",
  });
});

it("given an error without a request, path or hint, then a person who prints it sees none of them", () => {
  expect(inspect(refused())).not.toMatch(/: undefined|(ioctl|path|hint):/);
  expect(inspect(new VfioError("ERR_VFIO_CLOSED", "closed"))).not.toMatch(/: undefined|hint:/);
  expect(inspect(new VfioRangeError("ERR_VFIO_FD", "no fd"))).not.toMatch(/: undefined|hint:/);
});

describe("given something that was thrown, hasErrno()", () => {
  /** As another copy of the library makes it: of another class, with the same brand. */
  const foreign = Object.assign(new Error("EACCES"), { [Symbol.for("@vfio/error")]: true, errno: -13 });

  it.each([["ours", refused()] as const, ["another copy's", foreign] as const])(
    "knows %s by its brand and errno",
    (_, error) => {
      expect(hasErrno(error, "EACCES")).toBe(true);
      expect(hasErrno(error, "ENOENT", "EACCES")).toBe(true);
      expect(hasErrno(error, "ENOENT")).toBe(false);
      expect(hasErrno(error)).toBe(true);
    },
  );

  it.each([
    ["a refusal", new VfioError("ERR_VFIO_CLOSED", "closed")],
    ["somebody else's error", Object.assign(new Error("EACCES"), { errno: -13, code: "EACCES" })],
    ["no error", "EACCES"],
    ["nothing", undefined],
  ])("is false for %s", (_, thrown) => {
    expect([hasErrno(thrown, "EACCES"), hasErrno(thrown)]).toEqual([false, false]);
  });
});

describe("given an error of another realm, as tests in a vm context have", () => {
  const foreign = vm.runInNewContext("new RangeError('too long')") as unknown;

  it("it is an error, and has its message", () => {
    expect(foreign instanceof Error).toBe(false);
    expect([isError(foreign), messageOf(foreign)]).toEqual([true, "too long"]);
  });
});

it.each([
  [new Error("one"), "one"],
  ["two", "two"],
  [3, "3"],
  [undefined, "undefined"],
  [Object.create(null), "something without a message"],
  [{ toString: looksInVain }, "something without a message"],
])("given anything that was thrown, then its text is told, whatever it is", (thrown, text) => {
  expect(messageOf(thrown)).toBe(text);
});

import { describe, expect, it } from "vitest";
import { expectError, expectRejection } from "../src/index.js";

const error = Object.assign(new Error("8 pages (2 free). Hint: echo 10"), {
  code: "ENOMEM",
  syscall: "mmap",
});
const call = (): never => {
  throw error;
};

describe("given an error with a code, words and members", () => {
  it.each(["ENOMEM", "ENOMEM … 8 pages (2 free) … echo 10", "… 2 free"])(
    "%j is what it is",
    async (expected) => {
      expect(expectError(call, expected, { syscall: "mmap", hint: undefined })).toBe(error);
      expect(await expectRejection(Promise.reject(error), expected)).toBe(error);
    },
  );

  it.each(["ENOME", "EIO", "ENOMEM … 9 pages", "ENOMEM … echo … 8 pages", "mmap"])(
    "%j is not",
    (expected) => {
      expect(() => expectError(call, expected)).toThrow("to match");
    },
  );

  it("other members are told, as is a call that throws nothing", () => {
    expect(() => expectError(call, "ENOMEM", { syscall: "open" })).toThrow("to match object");
    expect(() => expectError(() => 7, "ENOMEM")).toThrow("nothing was thrown");
  });
});

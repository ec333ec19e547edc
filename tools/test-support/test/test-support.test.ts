import { closeSync, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  errorOf,
  finished,
  leavesNothingBehind,
  NOBODY,
  processState,
  rejectionOf,
  runAsNobody,
} from "../src/index.js";

describe("given the state of this process", () => {
  it("an opened fd shows in it, and is gone from it after the close", () => {
    const before = processState();
    const fd = openSync("/dev/zero", "r");

    const during = processState();
    closeSync(fd);

    expect(during.fds).toEqual([...before.fds, "/dev/zero"].sort());
    expect(processState()).toEqual(before);
  });
});

describe("given tests that must leave nothing behind", () => {
  function halves(): { before: () => void; after: () => void } {
    const found = { before: () => {}, after: () => {} };
    leavesNothingBehind({
      beforeEach: (half) => (found.before = half),
      afterEach: (half) => (found.after = half),
    });
    return found;
  }

  it("one that leaves an fd open fails, and names the file", () => {
    const { before, after } = halves();
    before();
    const fd = openSync("/dev/zero", "r");

    const error = errorOf(after);
    closeSync(fd);

    expect(error.name).toBe("AssertionError");
    expect(JSON.stringify((error as unknown as { actual: unknown }).actual)).toContain("/dev/zero");
  });

  it("one that closes what it opened passes", () => {
    const { before, after } = halves();
    before();

    closeSync(openSync("/dev/zero", "r"));

    expect(after).not.toThrow();
  });
});

describe("given a call that should fail", () => {
  it("its error is handed on, with the code", () => {
    expect(errorOf(() => openSync("/does/not/exist", "r"))).toMatchObject({ code: "ENOENT" });
  });

  it("if nothing is thrown, that is an error; if no Error is thrown, too", () => {
    expect(() => errorOf(() => 3)).toThrow("nothing was thrown");
    const throwString = (): never => {
      throw JSON.parse('"text"') as Error;
    };
    expect(() => errorOf(throwString)).toThrow("something that is no Error was thrown: text");
  });

  it("a promise's rejection is handed on; one that is kept is an error", async () => {
    expect((await rejectionOf(Promise.reject(new Error("no")))).message).toBe("no");
    await expect(rejectionOf(Promise.resolve(3))).rejects.toThrow("not rejected");
  });
});

describe("given a command that runs as an ordinary user", () => {
  it("it has another user's number and no capabilities", () => {
    const { status, stdout } = runAsNobody("id -u; grep CapEff /proc/self/status");

    expect(status).toBe(0);
    expect(stdout).toMatch(new RegExp(`^${NOBODY}\\nCapEff:\\s+0+\\n$`));
  });

  it("it may not read what is root's alone, and its exit status is told", () => {
    const { status, stderr } = runAsNobody("cat /proc/1/mem");

    expect(status).toBe(1);
    expect(stderr).toContain("Permission denied");
  });
});

describe("given a program that runs to its end", () => {
  it("its exit status and both outputs are told", () => {
    expect(finished("sh", ["-c", "echo out; echo err >&2; exit 3"])).toEqual({
      status: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  countMappings,
  errorOf,
  finished,
  KernelLog,
  NOBODY,
  processState,
  rejectionOf,
  runAsNobody,
  staysAsItWas,
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

  it("it has what the kernel counts as locked and as pinned, each in kB", () => {
    const { locked, pinned } = processState();
    for (const counted of [locked, pinned]) expect(counted).toMatch(/^\d+ kB$/);
  });

  it("on a machine that others use too, the hugepages that are looked at are this process's own", () => {
    const state = processState();
    expect(state.hugepages).toBe("0 kB");
    expect(state).not.toHaveProperty("freeHugepages");
  });
});

describe("given what a process has mapped", () => {
  const maps = (path: string): string =>
    `7ffff0000000-7ffff0200000 rw-s 00000000 00:18 250                        ${path}\n`;
  const mounts = "none /proc proc rw 0 0\nhugetlbfs /mnt/pages hugetlbfs rw,relatime,pagesize=2M 0 0\n";

  it.each([
    "/memfd:vfio-dma (deleted)",
    "/anon_hugepage (deleted)",
    "anon_inode:[vfio-device]",
    "/dev/vfio/devices/vfio0",
    "/mnt/pages/.vfio-dma-a3fa61d0 (deleted)",
    "/mnt/pages/rtemap_0",
  ])("%s counts", (path) => {
    expect(countMappings(maps("/usr/bin/node") + maps(path) + maps("[heap]"), mounts)).toBe(1);
  });

  it.each([
    "/home/me/vfio/packages/ioctl-native/native/build/linux-x64/ioctl-native.node",
    "/home/hugepages/memfd:/file",
    "/mnt/pages-of-mine/file",
    "[heap]",
    "",
  ])("a file that only has such words in its path does not: %j", (path) => {
    expect(countMappings(maps("/usr/bin/node") + maps(path), mounts)).toBe(0);
  });
});

describe("given tests that must leave nothing behind", () => {
  /** What is looked at before a test and, when it is over, until both are equal; the test's failure if they stay different. */
  async function outcomeOf(
    look: () => unknown,
    test: () => unknown = () => undefined,
    patienceMs?: number,
  ): Promise<unknown> {
    const halves: (() => Promise<void>)[] = [];
    const hook = (half: () => Promise<void>): unknown => halves.push(half);
    staysAsItWas(look, { beforeEach: hook, afterEach: hook }, patienceMs);
    await halves[0]?.();
    await test();
    return halves[1]?.().catch((error: unknown) => error);
  }

  it("one that leaves an fd open fails, and names the file", async () => {
    let fd = -1;
    const error = await outcomeOf(processState, () => (fd = openSync("/dev/zero", "r")), 50);
    closeSync(fd);

    expect(error).toMatchObject({ name: "AssertionError" });
    expect(JSON.stringify((error as { actual: unknown }).actual)).toContain("/dev/zero");
  });

  it.each([
    ["closes what it opened", () => closeSync(openSync("/dev/zero", "r"))],
    ["starts this process's first child", () => once(spawn("true"), "close")],
  ])("one that %s passes", async (_, test) => {
    expect(await outcomeOf(processState, test)).toBeUndefined();
  });

  it("what is open only for a moment, before the test or after it, is waited for", async () => {
    const looks = [["a", "of a moment"], ["a"], ["a"], ["a", "not closed yet"], ["a"]];

    expect(await outcomeOf(() => looks.shift())).toBeUndefined();

    expect(looks).toEqual([]);
  });

  it("what it closed though it was not its own is missed", async () => {
    const looks = [["a"], ["a"]];
    const error = await outcomeOf(() => looks.shift() ?? [], undefined, 50);
    expect(error).toMatchObject({ name: "AssertionError" });
  });
});

describe("given a kernel's log", () => {
  it("only what comes from now on is told, each line once, without its time and what is said about the device", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "kernel-log-"));
    const file = path.join(folder, "kmsg");
    writeFileSync(file, "6,1,100,-;before\n");
    try {
      using log = new KernelLog(file);
      expect(log.newLines()).toEqual([]);

      appendFileSync(file, "3,2,200,-;DMAR: fault; again\n SUBSYSTEM=pci\n");

      expect(log.newLines()).toEqual(["DMAR: fault; again"]);
      expect(log.newLines()).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
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
  it("it says in English what it says, whatever the language here", () => {
    expect(finished("sh", ["-c", "echo $LC_ALL"]).stdout).toBe("C\n");
  });

  it("its exit status and both outputs are told", () => {
    const { status, stdout, stderr } = finished("sh", ["-c", "echo out; echo err >&2; exit 3"]);
    expect([status, stdout, stderr]).toEqual([3, "out\n", "err\n"]);
  });
});

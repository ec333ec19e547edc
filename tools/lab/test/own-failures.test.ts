import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runCommandLine } from "../src/run/command-line.js";
import { endedEarly } from "../src/run/failures.js";
import { LabError } from "../src/run/lab-error.js";
import type { Machine, QemuEnd } from "../src/machine/machine.js";
import { withLabErrors } from "../src/host/system-failure.js";

let folder: string;
let said: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lab-test-"));
  said = "";
  const take = (text: string | Uint8Array) => ((said += String(text)), true);
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, "write").mockImplementation(take);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function vfioLab(...args: string[]): Promise<number> {
  return runCommandLine(["node", "vfio-lab", ...args]);
}

describe("the lab's own failures end with 125, whatever they are", () => {
  test.each([
    ["an option that there is not", ["--nosuch"], "unknown option '--nosuch'"],
    ["an option's wrong value", ["--timeout", "soon", "--", "true"], "Not a number above zero."],
    ["a choice that there is not", ["--with", "magic", "--", "true"], "Allowed choices are"],
    ["no command, and no terminal for a shell", [], "Usage: vfio-lab"],
    ["a folder that is not there", ["--cwd", "/no/such", "--", "true"], "/no/such is not a folder"],
    [
      "an output that cannot be made",
      ["--output", "/etc/passwd/x", "--", "true"],
      "/etc/passwd/x cannot be used (mkdir: ENOTDIR)",
    ],
    [
      "an output where there are no folders to make, for which Node's recursive mkdir() never ends",
      ["--output", "/proc/x/y", "--", "true"],
      "/proc/x cannot be used (mkdir: ENOENT)",
    ],
  ])("%s", async (_what, args, message) => {
    expect(await vfioLab(...args)).toBe(125);
    expect(said).toContain(message);
  });

  test("no folder for temporary files: it is named, with the remedy", async () => {
    vi.stubEnv("TMPDIR", "/no/such");
    expect(await vfioLab("--accelerator", "tcg", "--", "true")).toBe(125);
    expect(said).toContain(
      "lab: /no/such cannot be used (scandir: ENOENT)\nSet TMPDIR to another folder. [ERR_LAB_SYSTEM]",
    );
  });

  test("--help is none", async () => {
    expect(await vfioLab("--help")).toBe(0);
    expect(said).toContain("125 when the lab itself failed");
  });
});

describe("what the system refuses is the lab's own error", () => {
  async function failure(work: () => Promise<unknown>, place?: string): Promise<LabError> {
    const error: unknown = await withLabErrors(work, place).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LabError);
    return error as LabError;
  }

  function refusal(code: string, syscall: string, file?: string): () => Promise<never> {
    return () => Promise.reject(Object.assign(new Error(code), { code, syscall, path: file }));
  }

  test("a full folder for temporary files, from a write, which knows only an fd", async () => {
    const error = await failure(refusal("ENOSPC", "write"), os.tmpdir());
    expect(error).toMatchObject({
      code: "ERR_LAB_DISK_FULL",
      hint: "Free some space there, or set TMPDIR to another folder.",
    });
    expect(error.message).toContain(`There is no space left for ${os.tmpdir()} (write: ENOSPC)`);
  });

  test("a cache that cannot be written to", async () => {
    vi.stubEnv("XDG_CACHE_HOME", path.join(folder, "cache"));
    const file = path.join(folder, "cache/vfio-lab/initrd");
    const error = await failure(refusal("EACCES", "open", file));
    expect(error.message).toContain(`${file} cannot be used (open: EACCES)`);
    expect(error.hint).toBe("This user may not do that. Point XDG_CACHE_HOME at another folder.");
  });

  test("a program that is not there", async () => {
    const error = await failure(() => promisify(execFile)("no-such-program"));
    expect(error).toMatchObject({
      code: "ERR_LAB_SYSTEM",
      message: "The program no-such-program is not installed",
      hint: "",
    });
  });

  test.each(["EIO", "EINVAL", "ENOTDIR"])(
    "%s says nothing about a remedy, and there is none",
    async (code) => {
      const error = await failure(refusal(code, "read", "/dev/null"));
      expect(error).toMatchObject({ message: `/dev/null cannot be used (read: ${code})`, hint: "" });
    },
  );

  test("an error of another kind stays what it is", async () => {
    const mistake = new TypeError("undefined is not a function");
    await expect(withLabErrors(() => Promise.reject(mistake))).rejects.toBe(mistake);
    const real: unknown = await withLabErrors(() => mkdtemp("/proc/x-")).catch((reason: unknown) => reason);
    expect(real).toBeInstanceOf(LabError);
    await expect(withLabErrors(() => mkdir(path.join(folder, "made")))).resolves.toBeUndefined();
  });
});

describe("QEMU's end: a hint only where it tells one", () => {
  const hintOf = (end: Partial<QemuEnd>) => {
    const machine = { console: { tail: () => "", panic: undefined } } as unknown as Machine;
    return endedEarly(machine, { code: null, signal: null, complaints: "", ...end }, "running").hint;
  };

  test.each([
    [
      { code: 1, complaints: "qemu-system-x86_64: -device nosuch: 'nosuch' is not a valid device" },
      /an argument in extraDevices/,
    ],
    [
      {
        code: 1,
        complaints: "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
      },
      /give the guest less/,
    ],
    [{ signal: "SIGABRT" as const }, /a request that it does not survive/],
    [{ signal: "SIGKILL" as const }, /Somebody ended it/],
    [{ code: 1, complaints: "something else" }, /^$/],
    [{ code: 0 }, /must not power off/],
  ])("%j", (end, hint) => expect(hintOf(end)).toMatch(hint));
});

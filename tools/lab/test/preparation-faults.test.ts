import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LabError } from "../src/run/lab-error.js";
import { prepareLab } from "../src/run/prepare-lab.js";
import { elfStart, FakeHost } from "./fake-host.js";

let folder: string;
let host: FakeHost;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lab-test-"));
  writeFileSync(path.join(folder, "busybox"), elfStart(false));
  host = new FakeHost(path.join(folder, "busybox"));
  host.env = { XDG_CACHE_HOME: path.join(folder, "cache") };
});
afterEach(() => rmSync(folder, { recursive: true }));

async function failureOf(): Promise<LabError> {
  const error: unknown = await prepareLab({ host }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
}

const cached = () => readdirSync(path.join(folder, "cache/vfio-lab"));

describe("preparing on a machine that is not up to it", () => {
  test("not Linux", async () => {
    host.platform = "darwin";
    host.arch = "arm64";
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_NOT_LINUX");
    expect(error.message).toContain("darwin on arm64");
    expect(host.calls).toEqual([]);
  });

  test("no QEMU and not root: the exact command to type, nothing run", async () => {
    host.isRoot = false;
    host.installed.delete("qemu-system-x86_64");
    host.installed.delete("depmod");
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_PACKAGES_MISSING");
    expect(error.message).toContain("qemu-system-x86, kmod");
    expect(error.hint).toBe(
      "Type: sudo apt-get update && sudo apt-get install -y --no-install-recommends qemu-system-x86 kmod",
    );
    expect(host.calls).toEqual([]);
  });

  test("DPDK is asked for only by those who need it, with its driver", async () => {
    host.isRoot = false;
    host.installed.delete("zstd");
    expect((await failureOf()).hint).not.toContain("dpdk");
    host.installed.add("zstd");
    const error: unknown = await prepareLab({ host, extras: ["dpdk"] }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "ERR_LAB_PACKAGES_MISSING",
      message: expect.stringContaining("not installed: dpdk-dev, librte-net-e1000-23") as string,
    });
    host.installed.add("dpdk-testpmd");
    const other: unknown = await prepareLab({ host, extras: ["dpdk"] }).catch((reason: unknown) => reason);
    expect(other).toMatchObject({ code: "ERR_LAB_KERNEL_DOWNLOAD" });
  });

  test("as root the missing package is installed; apt's failure is shown", async () => {
    host.installed.delete("qemu-system-x86_64");
    host.answer = (program, args) =>
      program === "apt-get" && args.includes("install")
        ? { code: 100, stderr: "E: Unable to fetch" }
        : undefined;
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_PACKAGES_INSTALL");
    expect(error.message).toContain("E: Unable to fetch");
    expect(host.calls.at(-1)).toContain("install -y --no-install-recommends qemu-system-x86");
  });

  test("a busybox that needs the dynamic loader does not count", async () => {
    host.isRoot = false;
    writeFileSync(host.busybox, elfStart(true));
    expect((await failureOf()).hint).toContain("busybox-static");
  });

  test("not Debian: no apt command that could not work", async () => {
    host.installed.delete("apt-get");
    host.installed.delete("zstd");
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_PACKAGES_MISSING");
    expect(error.hint).not.toContain("apt-get");
  });

  test("disk full before the download: how much is free, how much is needed, nothing downloaded", async () => {
    host.free = 50 << 20;
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_DISK_FULL");
    expect(error.message).toMatch(/has 50 MiB free.*needs 600 MiB/);
    expect(error.hint).toContain("XDG_CACHE_HOME");
    expect(host.calls).toEqual([]);
  });

  test("apt knows no kernel: not root is told to update the lists", async () => {
    host.isRoot = false;
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_KERNEL_DOWNLOAD");
    expect(error.hint).toContain("sudo apt-get update");
  });

  test("no network: the download fails, nothing half-made stays", async () => {
    host.answer = (program, args) => {
      if (program === "apt-cache") return { stdout: "x\n  Depends: linux-image-6.12.9+deb12-amd64\n" };
      return args.includes("download") ? { code: 100, stderr: "E: Failed to fetch" } : undefined;
    };
    const error = await failureOf();
    expect(error.code).toBe("ERR_LAB_KERNEL_DOWNLOAD");
    expect(error.message).toContain("linux-image-6.12.9+deb12-amd64 failed: E: Failed to fetch");
    expect(host.calls.filter((call) => call.endsWith(" update"))).toHaveLength(1);
    expect(cached()).toEqual([]);
  });

  test("a full disk while unpacking is told as such, and nothing half-made stays", async () => {
    host.answer = (program, args) => {
      if (program === "apt-cache") return { stdout: "  Depends: linux-image-6.12.9+deb12-amd64\n" };
      if (program === "dpkg-deb") return { code: 2, stderr: "tar: No space left on device" };
      if (args.includes("download")) {
        const [draft] = cached();
        writeFileSync(path.join(folder, "cache/vfio-lab", draft!, "kernel.deb"), "");
      }
      return undefined;
    };
    expect((await failureOf()).code).toBe("ERR_LAB_DISK_FULL");
    expect(cached()).toEqual([]);
  });

  test("aborted before it began", async () => {
    const error: unknown = await prepareLab({ host, signal: AbortSignal.abort() }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: "ERR_LAB_ABORTED" });
  });
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { LAB_DEVICES, LabError, prepareLab, runInLab, type LabOptions } from "../src/index.js";

beforeAll(() => prepareLab());

/** QEMU processes that are children of this one, from /proc. */
function ourQemus(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return /^Name:\s*qemu/m.test(status) && new RegExp(`^PPid:\\s*${process.pid}$`, "m").test(status);
    } catch {
      return false;
    }
  });
}

afterEach(() => {
  expect(ourQemus()).toEqual([]);
  expect(readdirSync(os.tmpdir()).filter((name) => name.startsWith(`vfio-lab-${process.pid}-`))).toEqual([]);
});

async function failureOf(command: readonly string[], options: LabOptions): Promise<LabError> {
  const error: unknown = await runInLab(command, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
}

const GUEST_REPORT = `#!/bin/sh
  echo "args: $(printf '<%s>' "$@")"
  echo "where: $PWD, $VFIO_LAB, $ODD"
  echo "shown: $(ls "$SHOWN")"
  ls -l /sys/bus/pci/devices/*/iommu_group /sys/bus/pci/devices/*/driver
  grep HugePages_Total /proc/meminfo
  modprobe uio_pci_generic && echo "modprobe works"
  node -e 'console.log("node", process.version)'
  edu=/sys/bus/pci/devices/0000:02:00.0
  hotplug=/run/vfio-lab/hotplug
  $hotplug unplug edu; echo "unplug edu: $?"
  $hotplug unplug hotplugEdu && until [ ! -e $edu ]; do sleep 0.1; done && echo pulled out
  $hotplug plug hotplugEdu && until [ -e $edu ]; do sleep 0.1; done && echo put back
  touch /usr/written-in-guest && echo result > $LAB_OUTPUT/file
  $hotplug fatal-error edu; echo "fatal error of edu: $?"
  $hotplug nonfatal-error errorRng && until dmesg | grep -o "Uncorrectable (Non-Fatal) error message"; do sleep 0.1; done
  od -An -tx1 -N2 /run/vfio-lab/option.rom
  head -c 3000000 /dev/zero
  echo complaint >&2
  sleep 1000 &
  kill -INT $$
`;

test("a command: words, folder, devices, groups, hugepages, modules, both outputs, files, exit code", async () => {
  const cwd = mkdtempSync(path.join(os.tmpdir(), "lab test'"));
  const outputDirectory = path.join(cwd, "out,put");
  const shown = mkdtempSync("/dev/shm/lab shown");
  writeFileSync(path.join(shown, "a tool"), "");
  const program = path.join(os.tmpdir(), `lab report ${process.pid}`);
  writeFileSync(program, GUEST_REPORT, { mode: 0o755 });
  const words = ["a b", "it's", "$HOME", "", "é"];
  const result = await runInLab([program, ...words], {
    cwd,
    shows: [shown],
    outputDirectory,
    env: { ODD: "a'b", SHOWN: shown },
  });
  const refused = ["unplug edu", "fatal-error edu"].map((line) => `hotplug: cannot do "${line}"\n`);
  const stderr = `${refused.join("")}complaint\n`;
  expect(result).toMatchObject({ exitCode: 130, stderr });
  expect(result.stdout).toContain(`args: ${words.map((word) => `<${word}>`).join("")}`);
  expect(result.stdout).toContain(`where: ${cwd}, 1, a'b`);
  expect(result.stdout).toContain("shown: a tool\n");
  expect(result.stdout).toMatch(/HugePages_Total: +256\n/);
  expect(result.stdout).toContain(`modprobe works\nnode ${process.version}\n`);
  expect(result.stdout).toContain("unplug edu: 1\npulled out\nput back\n");
  expect(result.stdout).toContain("fatal error of edu: 1\nUncorrectable (Non-Fatal) error message\n 55 aa\n");
  expect(result.stdout.match(/\0/g)).toHaveLength(3_000_000);
  expect(readFileSync(path.join(outputDirectory, "file"), "utf8")).toBe("result\n");
  expect(readdirSync("/usr")).not.toContain("written-in-guest");
  expectDevices(result.stdout);
  for (const each of [cwd, shown, program]) rmSync(each, { recursive: true });
});

/** The two edu behind the bridge share its group, everybody else is alone. */
function expectDevices(report: string): void {
  const groups = new Map<string, string>();
  const linkOf = (bdf: string, name: string) =>
    new RegExp(`/${bdf}/${name} -> .*/(.+)$`, "m").exec(report)?.[1] ?? null;
  for (const { bdf, driver } of Object.values(LAB_DEVICES)) {
    expect(linkOf(bdf, "driver"), bdf).toBe(driver);
    groups.set(bdf, linkOf(bdf, "iommu_group") ?? "none");
  }
  const shared = groups.get(LAB_DEVICES.bridge.bdf);
  expect(groups.get(LAB_DEVICES.bridgedEdu.bdf)).toBe(shared);
  expect(groups.get(LAB_DEVICES.bridgedEduUnbound.bdf)).toBe(shared);
  expect(new Set(groups.values()).size).toBe(groups.size - 2);
}

test("a guest that panics", async () => {
  const error = await failureOf(["sh", "-c", "echo c > /proc/sysrq-trigger"], {});
  expect(error.code).toBe("ERR_LAB_GUEST_PANIC");
  expect(error.message).toContain("sysrq triggered crash");
  expect(error.consoleTail).toContain("Kernel panic - not syncing");
});

test("a command that hangs: told with its words and the console", async () => {
  // Time enough for the guest's shell to start; the command itself takes all of it.
  const command = ["sh", "-c", "echo looking at you > /dev/console; sleep 1000"];
  const error = await failureOf(command, { timeoutMs: 10_000 });
  expect(error.code, `${error.message}\n${error.consoleTail}`).toBe("ERR_LAB_TIMEOUT");
  expect(error.message).toContain("did not end within 10 s: sh -c ");
  expect(error.consoleTail).toContain("looking at you");
});

test("abort, a boot that takes too long, a machine QEMU refuses, a folder that is not there", async () => {
  const abort = new AbortController();
  const aborted = failureOf(["true"], {
    signal: abort.signal,
    onProgress: ({ stage }) => {
      if (stage === "boot") setImmediate(() => abort.abort());
    },
  });
  expect((await aborted).code).toBe("ERR_LAB_ABORTED");
  expect((await failureOf(["true"], { bootTimeoutMs: 500 })).code).toBe("ERR_LAB_BOOT_TIMEOUT");
  const refused = await failureOf(["true"], { machine: { extraDevices: ["no-such-device"] } });
  expect(refused.code).toBe("ERR_LAB_QEMU_FAILED");
  expect(refused.message).toContain("no-such-device");
  expect((await failureOf(["true"], { cwd: "/no/such/folder" })).message).toContain(
    "/no/such/folder is not a folder",
  );
  expect((await failureOf([], {})).code).toBe("ERR_LAB_BAD_ARGUMENT");
});

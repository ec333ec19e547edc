import { closeSync, openSync, readSync } from "node:fs";
import { install, installCommand } from "@vfio/set-up/apt.js";
import { diskFull } from "./cache.js";
import { isStaticElf } from "../kernel/elf.js";
import type { Host } from "./host.js";
import { LabError } from "../run/lab-error.js";

export interface RequiredProgram {
  readonly program: string;
  readonly package: string;
  readonly with?: readonly string[];
}

/** All programs of the lab that Debian does not install by itself. */
export const REQUIRED_PROGRAMS: readonly RequiredProgram[] = [
  { program: "qemu-system-x86_64", package: "qemu-system-x86" },
  { program: "busybox", package: "busybox-static" },
  { program: "depmod", package: "kmod" },
  { program: "lspci", package: "pciutils" },
  { program: "xz", package: "xz-utils" },
  { program: "zstd", package: "zstd" },
  { program: "setpriv", package: "util-linux" },
];

/** For some commands in the guest, which shares this machine's programs: so they are installed here. */
export const EXTRA_PROGRAMS = {
  /** DPDK's test program, and its driver for the lab's network card. */
  dpdk: { program: "dpdk-testpmd", package: "dpdk-dev", with: ["librte-net-e1000-23"] },
  /** Makes system calls of a running program fail. */
  strace: { program: "strace", package: "strace" },
} as const satisfies Record<string, RequiredProgram>;

export type LabExtra = keyof typeof EXTRA_PROGRAMS;

/**
 * Installs what is missing, if allowed; otherwise stops with the command to type. Returns the packages it installed.
 */
export async function ensurePackages(
  host: Host,
  report: (message: string) => void,
  signal?: AbortSignal,
  extras: readonly LabExtra[] = [],
): Promise<readonly string[]> {
  const wanted = [...REQUIRED_PROGRAMS, ...extras.map((extra) => EXTRA_PROGRAMS[extra])];
  const missing = missingPackages(host, wanted);
  if (missing.length === 0) return [];
  if (!host.isRoot || !host.findProgram("apt-get")) throw packagesMissing(host, missing);
  report(`Installing ${missing.join(", ")}`);
  const failed = await install(host, missing, { report, signal });
  if (failed !== undefined) throw installationFailed(host, missing, failed);
  const still = missingPackages(host, wanted);
  if (still.length > 0) throw packagesMissing(host, still);
  return missing;
}

function missingPackages(host: Host, wanted: readonly RequiredProgram[]): string[] {
  const missing = wanted.filter(({ program }) => {
    const file = host.findProgram(program);
    return file === undefined || !isUsableProgram(program, file);
  });
  return missing.flatMap((required) => [required.package, ...(required.with ?? [])]);
}

/** Debian's plain `busybox` is linked dynamically, and cannot run in an initrd with nothing else. */
function isUsableProgram(program: string, file: string): boolean {
  return program !== "busybox" || isStaticElf(readStart(file, 4096));
}

function readStart(file: string, bytes: number): Buffer {
  const descriptor = openSync(file, "r");
  try {
    const buffer = Buffer.alloc(bytes);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, bytes, 0));
  } finally {
    closeSync(descriptor);
  }
}

function installationFailed(
  host: Host,
  missing: readonly string[],
  { command, stderr }: { readonly command: string; readonly stderr: string },
): LabError {
  const message = `${command} failed: ${lastLines(stderr)}`;
  if (saysDiskFull(stderr)) return diskFull(message, { hint: "Free some space for Debian's packages." });
  const hint = `Try it by hand: ${installCommand(missing, host.isRoot)}`;
  return new LabError("ERR_LAB_PACKAGES_INSTALL", message, { hint });
}

function packagesMissing(host: Host, missing: readonly string[]): LabError {
  return new LabError(
    "ERR_LAB_PACKAGES_MISSING",
    `The lab needs ${missing.length === 1 ? "a package that is" : "packages that are"} not installed: ${missing.join(", ")}`,
    {
      hint: host.findProgram("apt-get")
        ? `Type: ${installCommand(missing, host.isRoot)}`
        : "This is not Debian or Ubuntu: install the programs of these packages with your own package manager.",
    },
  );
}

export function saysDiskFull(complaints: string): boolean {
  return /No space left|enough free space/.test(complaints);
}

export function lastLines(text: string, count = 3): string {
  return text.trim().split("\n").slice(-count).join(" · ");
}

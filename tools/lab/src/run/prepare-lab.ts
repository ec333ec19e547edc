import { cacheDirectory } from "../host/cache.js";
import { realHost, type Host } from "../host/host.js";
import { ensureInitrd } from "../kernel/initrd.js";
import { ensureKernel, type Kernel } from "../kernel/kernel.js";
import { LabError } from "./lab-error.js";
import type { CommonOptions, LabProgress } from "./lab-options.js";
import { ensurePackages } from "../host/packages.js";
import { withLabErrors } from "../host/system-failure.js";

export interface PrepareOptions extends CommonOptions {
  /** Replaces the real machine, for tests. */
  readonly host?: Host;
}

export interface PreparedLab {
  readonly qemu: string;
  readonly kernel: Kernel;
  readonly initrd: string;
  readonly cache: string;
}

/**
 * Installs the missing Debian packages (as root), downloads and unpacks the kernel, builds the initrd. A second run
 * needs neither network nor noticeable time.
 *
 * @throws LabError ERR_LAB_NOT_LINUX, ERR_LAB_PACKAGES_MISSING, ERR_LAB_PACKAGES_INSTALL, ERR_LAB_DISK_FULL,
 * ERR_LAB_KERNEL_DOWNLOAD,
 * ERR_LAB_KERNEL_UNPACK, ERR_LAB_ABORTED, ERR_LAB_SYSTEM
 */
export async function prepareLab(options: PrepareOptions = {}): Promise<PreparedLab> {
  const { host = realHost, signal } = options;
  requireLinux(host);
  try {
    return await withLabErrors(() => prepare(host, options));
  } catch (error) {
    if (signal?.aborted && !(error instanceof LabError)) throw aborted("while it was being prepared", error);
    throw error;
  }
}

async function prepare(host: Host, { signal, onProgress, extras }: PrepareOptions): Promise<PreparedLab> {
  const report = (stage: LabProgress["stage"]) => (message: string) => onProgress?.({ stage, message });
  signal?.throwIfAborted();
  await ensurePackages(host, report("packages"), signal, extras);
  const cache = cacheDirectory(host);
  const kernel = await ensureKernel(host, cache, report("kernel"), signal);
  const initrd = await ensureInitrd(host, cache, kernel, report("initrd"));
  return { qemu: host.findProgram("qemu-system-x86_64") ?? "qemu-system-x86_64", kernel, initrd, cache };
}

export function aborted(when: string, cause?: unknown): LabError {
  return new LabError("ERR_LAB_ABORTED", `The lab was aborted ${when}`, {
    hint: "The caller's AbortSignal asked for it; nothing is left running.",
    cause,
  });
}

function requireLinux(host: Host): void {
  if (host.platform === "linux" && host.arch === "x64") return;
  throw new LabError(
    "ERR_LAB_NOT_LINUX",
    `The lab runs on Linux on x86-64 only; this is ${host.platform} on ${host.arch}`,
    {
      hint: "Run it on a Linux machine or in a Linux container; the guest shares the host's programs, so they must be x86-64 Linux too.",
    },
  );
}

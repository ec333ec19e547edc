import { diskFull } from "../host/cache.js";
import { aptGet, type AptOptions } from "@vfio/set-up/apt.js";
import type { Host } from "../host/host.js";
import { LabError } from "../run/lab-error.js";
import { lastLines, saysDiskFull } from "../host/packages.js";

/** Debian's metapackages of the newest 6.12 kernel: the first in Debian 12, the second in Debian 13. */
const METAPACKAGES = ["linux-image-6.12-amd64", "linux-image-amd64"];

/** Only the generic flavour: the cloud kernel has no 9p, the rt kernel is slower. */
const GENERIC_KERNEL = /^linux-image-(6\.12\.\d+(?:[+~.][\w.+~]*)?(?:-\d+)?-amd64)$/;

/** The newest generic 6.12 kernel package in `apt-cache depends`' output, if any. */
export function chooseKernelPackage(aptCacheDepends: string): string | undefined {
  return aptCacheDepends
    .split("\n")
    .flatMap((line) => /^\s*\|?Depends: (\S+)$/.exec(line)?.[1] ?? [])
    .filter((name) => GENERIC_KERNEL.test(name))
    .sort(compareVersions)
    .at(-1);
}

/** `uname -r` of a package's kernel. */
export function releaseOfPackage(name: string): string {
  return name.replace(/^linux-image-/, "");
}

/** By the numbers in the names, so that 6.12.9 comes before 6.12.117. */
export function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** As root, refreshes the package lists if they have no kernel. */
export async function findKernelPackage(host: Host, options: AptOptions): Promise<string> {
  const { signal } = options;
  const known = await askApt(host, signal);
  if (known !== undefined) return known;
  if (host.isRoot) {
    await aptGet(host, ["update"], options);
    const found = await askApt(host, signal);
    if (found !== undefined) return found;
  }
  throw downloadError(
    host,
    `apt knows no generic 6.12 kernel package (asked for ${METAPACKAGES.join(" and ")})`,
  );
}

async function askApt(host: Host, signal?: AbortSignal): Promise<string | undefined> {
  for (const metapackage of METAPACKAGES) {
    const { stdout } = await host.run("apt-cache", ["depends", metapackage], { signal });
    const choice = chooseKernelPackage(stdout);
    if (choice !== undefined) return choice;
  }
  return undefined;
}

/** The lists may name a version that the mirror no longer has: as root they are refreshed once. */
export async function downloadPackage(
  host: Host,
  name: string,
  directory: string,
  options: AptOptions,
): Promise<void> {
  // Without the option apt becomes the user _apt, who may not write into this folder, and reports that.
  const download = () =>
    aptGet(host, ["download", "-o", "APT::Sandbox::User=root", name], { ...options, cwd: directory });
  let result = await download();
  if (result.code !== 0 && host.isRoot) {
    await aptGet(host, ["update"], options);
    result = await download();
  }
  if (result.code === 0) return;
  const message = `apt-get download ${name} failed: ${lastLines(result.stderr)}`;
  throw saysDiskFull(result.stderr) ? diskFull(message) : downloadError(host, message);
}

function downloadError(host: Host, message: string): LabError {
  return new LabError("ERR_LAB_KERNEL_DOWNLOAD", message, {
    hint: host.isRoot
      ? "Check the network and the sources in /etc/apt; the lab needs the kernel once and keeps it."
      : "Type: sudo apt-get update    (and check the network); the lab needs the kernel once and keeps it.",
  });
}

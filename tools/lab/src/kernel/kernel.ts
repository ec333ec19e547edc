import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import path from "node:path";
import { diskFull, makeDirectoryAtOnce, requireFreeSpace } from "../host/cache.js";
import type { Host } from "../host/host.js";
import { compressedKernel } from "./kernel-image.js";
import { compareVersions, downloadPackage, findKernelPackage, releaseOfPackage } from "./kernel-package.js";
import { LabError } from "../run/lab-error.js";
import { lastLines, saysDiskFull } from "../host/packages.js";

export interface Kernel {
  /** `uname -r` in the guest. */
  readonly release: string;
  readonly image: string;
  readonly root: string;
}

const SPACE_NEEDED = 600 << 20;

/** Modules without use in a lab machine: most of the package's size, and of depmod's time. */
const UNUSED_MODULES = [
  ...[
    "accel",
    "bluetooth",
    "gpu",
    "hid",
    "hwmon",
    "iio",
    "infiniband",
    "input",
    "media",
    "mtd",
    "scsi",
    "staging",
  ],
  ...["net/can", "net/ethernet/mellanox", "net/wireless", "platform", "thunderbolt", "usb"],
].map((folder) => `kernel/drivers/${folder}`);
const UNUSED = [...UNUSED_MODULES, "kernel/sound", "kernel/fs/ocfs2", "kernel/fs/xfs", "kernel/fs/btrfs"];

/** The newest cached kernel; if there is none, Debian's newest generic 6.12, downloaded and unpacked. */
export async function ensureKernel(
  host: Host,
  cache: string,
  report: (message: string) => void,
  signal?: AbortSignal,
): Promise<Kernel> {
  const cached = await cachedKernel(cache);
  if (cached) return cached;
  await requireFreeSpace(host, cache, SPACE_NEEDED);
  const name = await findKernelPackage(host, { report, signal });
  const release = releaseOfPackage(name);
  report(`Downloading ${name} (about 100 MB, once)`);
  await makeDirectoryAtOnce(path.join(cache, `kernel-${release}`), async (draft) => {
    await downloadPackage(host, name, draft, { report, signal });
    report(`Unpacking ${name}`);
    await unpackKernel(host, draft, release, signal);
  });
  return kernelAt(cache, release);
}

async function cachedKernel(cache: string): Promise<Kernel | undefined> {
  const names = await readdir(cache).catch(() => []);
  const release = names
    .flatMap((name) => /^kernel-(6\.12\..*-amd64)$/.exec(name)?.[1] ?? [])
    .sort(compareVersions)
    .at(-1);
  return release === undefined ? undefined : kernelAt(cache, release);
}

function kernelAt(cache: string, release: string): Kernel {
  const root = path.join(cache, `kernel-${release}`);
  const unpacked = path.join(root, "vmlinux");
  return { release, root, image: existsSync(unpacked) ? unpacked : path.join(root, "vmlinuz") };
}

/** Turns a folder with a .deb into one with vmlinux, vmlinuz, config and lib/modules. */
async function unpackKernel(
  host: Host,
  folder: string,
  release: string,
  signal?: AbortSignal,
): Promise<void> {
  const run = (program: string, ...args: string[]) => mustRun(host, program, args, folder, signal);
  const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw unpackError(`apt-get download left no package in ${folder}`);
  await run("dpkg-deb", "-x", archive, "tree");
  await rename(path.join(folder, `tree/boot/vmlinuz-${release}`), path.join(folder, "vmlinuz"));
  await rename(path.join(folder, `tree/boot/config-${release}`), path.join(folder, "config"));
  // Newer Debian releases have modules under /usr/lib.
  const library = existsSync(path.join(folder, "tree/lib/modules")) ? "tree/lib" : "tree/usr/lib";
  await rename(path.join(folder, library), path.join(folder, "lib"));
  const modules = path.join(folder, "lib/modules", release);
  for (const unused of ["tree", archive])
    await rm(path.join(folder, unused), { recursive: true, force: true });
  for (const unused of UNUSED) await rm(path.join(modules, unused), { recursive: true, force: true });
  await run("depmod", "-b", folder, release);
  await unpackImage(folder, run);
}

async function unpackImage(
  folder: string,
  run: (program: string, ...args: string[]) => Promise<void>,
): Promise<void> {
  const packed = compressedKernel(await readFile(path.join(folder, "vmlinuz")));
  if (packed === undefined) return;
  const suffix = packed.program === "zstd" ? "zst" : "xz";
  const file = path.join(folder, `vmlinux.${suffix}`);
  await writeFile(file, packed.bytes);
  await run(packed.program, "-d", "-q", file);
  await rm(file, { force: true });
}

async function mustRun(
  host: Host,
  program: string,
  args: readonly string[],
  cwd: string,
  signal?: AbortSignal,
): Promise<void> {
  const { code, stderr } = await host.run(program, args, { cwd, signal });
  if (code !== 0) throw unpackError(`${program} ${args.join(" ")} failed: ${lastLines(stderr)}`);
}

function unpackError(message: string): LabError {
  if (saysDiskFull(message)) return diskFull(message);
  const hint = "Nothing half-made was kept: the next run downloads it anew.";
  return new LabError("ERR_LAB_KERNEL_UNPACK", message, { hint });
}

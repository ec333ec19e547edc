import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { cpioArchive, type CpioFile } from "./cpio.js";
import type { Host } from "../host/host.js";
import type { Kernel } from "./kernel.js";
import { LabError } from "../run/lab-error.js";
import { lastLines } from "../host/packages.js";
import { BOOT_MODULES, moduleFiles } from "./modules.js";

const PACKAGE = path.dirname(createRequire(import.meta.url).resolve("@vfio/lab/package.json"));
const GUEST_SCRIPTS = path.join(PACKAGE, "guest");
const EMPTY_FOLDERS = ["proc", "sys", "dev", "host", "job", "written", "root", "keep"];

/** Rebuilt only when something in it has changed. */
export async function ensureInitrd(
  host: Host,
  cache: string,
  kernel: Kernel,
  report: (message: string) => void,
): Promise<string> {
  const programs = await guestPrograms(host);
  const target = path.join(cache, `initrd-${kernel.release}-${fingerprint(kernel, programs)}.cpio`);
  if (existsSync(target)) return target;
  report("Building the initrd");
  const modules = await bootModules(host, kernel);
  const draft = `${target}.draft-${process.pid}`;
  await writeFile(draft, cpioArchive([...programs, ...modules], EMPTY_FOLDERS));
  await rename(draft, target);
  return target;
}

async function guestPrograms(host: Host): Promise<CpioFile[]> {
  const busybox = host.findProgram("busybox") ?? "busybox";
  return [
    { path: "bin/busybox", mode: 0o755, content: await readFile(busybox) },
    { path: "init", mode: 0o755, content: await readFile(path.join(GUEST_SCRIPTS, "init.sh")) },
    {
      path: "hotplug.sh",
      mode: 0o755,
      content: await readFile(path.join(GUEST_SCRIPTS, "hotplug.sh")),
    },
    { path: "run.sh", mode: 0o644, content: await readFile(path.join(GUEST_SCRIPTS, "run.sh")) },
  ];
}

function fingerprint(kernel: Kernel, programs: readonly CpioFile[]): string {
  const hash = createHash("sha256").update([kernel.release, ...BOOT_MODULES, ...EMPTY_FOLDERS].join(" "));
  for (const { content } of programs) hash.update(content);
  return hash.digest("hex").slice(0, 16);
}

/** Numbered, so that the guest loads them in the order of their names. */
async function bootModules(host: Host, kernel: Kernel): Promise<CpioFile[]> {
  const files = await moduleFiles(host, kernel, BOOT_MODULES);
  return Promise.all(
    files.map(async (file, index) => ({
      path: `modules/${index + 100}-${path.basename(file).replace(/\.ko(\.xz|\.zst)?$/, ".ko")}`,
      mode: 0o644,
      content: await readModule(file),
    })),
  );
}

const execute = promisify(execFile);

function damaged(file: string, cause: unknown): unknown {
  // A number is the program's exit code; a name is an errno, which says more.
  if (!(cause instanceof Error && "code" in cause && typeof cause.code === "number")) return cause;
  return new LabError("ERR_LAB_KERNEL_UNPACK", `${file} cannot be unpacked: ${lastLines(cause.message)}`, {
    hint: "Remove the kernel's folder: the next run downloads it anew.",
    cause,
  });
}

async function readModule(file: string): Promise<Buffer> {
  const unpacker = file.endsWith(".xz") ? "xz" : file.endsWith(".zst") ? "zstd" : undefined;
  if (unpacker === undefined) return readFile(file);
  const options = { encoding: "buffer", maxBuffer: 64 << 20 } as const;
  const { stdout } = await execute(unpacker, ["-dc", file], options).catch((error: unknown) => {
    throw damaged(file, error);
  });
  return stdout;
}

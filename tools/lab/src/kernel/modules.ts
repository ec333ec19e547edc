import type { Host } from "../host/host.js";
import type { Kernel } from "./kernel.js";
import { LabError } from "../run/lab-error.js";
import { lastLines } from "../host/packages.js";

/**
 * Loaded before the root is mounted. virtio_pci and virtio_console are built into Debian's kernel; naming them is
 * harmless.
 */
export const BOOT_MODULES = [
  "virtio_pci",
  "virtio_console",
  "9pnet_virtio",
  "9p",
  "overlay",
  "vfio",
  "vfio_iommu_type1",
  "vfio-pci",
];

/** The files of modules and their dependencies, in loading order. */
export async function moduleFiles(host: Host, kernel: Kernel, names: readonly string[]): Promise<string[]> {
  const files = new Set<string>();
  for (const name of names) {
    // -C: the guest does not use the host's modprobe.d settings.
    const args = ["-C", "/dev/null", "-S", kernel.release, "-d", kernel.root, "--show-depends", name];
    const { code, stdout, stderr } = await host.run("modprobe", args);
    if (code !== 0) throw noSuchModule(name, kernel, stderr);
    for (const file of parseShowDepends(stdout)) files.add(file);
  }
  return [...files];
}

/** Files in the output of `modprobe --show-depends`; lines that start with "builtin" need none. */
export function parseShowDepends(output: string): string[] {
  return output.split("\n").flatMap((line) => /^insmod (.*\.ko\S*)/.exec(line)?.[1] ?? []);
}

function noSuchModule(name: string, kernel: Kernel, stderr: string): LabError {
  return new LabError(
    "ERR_LAB_KERNEL_UNPACK",
    `Kernel ${kernel.release} has no module ${name}: ${lastLines(stderr)}`,
    { hint: `Remove ${kernel.root} and run it again.` },
  );
}

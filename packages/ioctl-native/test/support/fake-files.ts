import { errnoOf, realKernel, useKernel, type Kernel } from "../../src/index.js";

/** A kernel with these files of /proc and /sys, and no others there; all else is the real one's. */
export function useFiles(files: Readonly<Record<string, string>>, others: Partial<Kernel> = {}): Disposable {
  const readText = (path: string): string | number => files[path] ?? errnoOf("ENOENT");
  return useKernel({ ...realKernel(), readText, ...others });
}

const MIB = 1024 * 1024;

/** /proc/meminfo of a machine. */
export function meminfo(availableMib: number, totalMib = 8192): string {
  const lines = [
    `MemTotal: ${totalMib * 1024} kB`,
    "MemFree: 4 kB",
    `MemAvailable:   ${availableMib * 1024} kB`,
  ];
  return `${lines.join("\n")}\n`;
}

/** The files of one cgroup of version 2, in MiB. */
export function memoryCgroup(
  folder: string,
  { max, current, cache = 0 }: { max: number | "max"; current: number; cache?: number },
): Record<string, string> {
  return {
    [`${folder}/memory.max`]: `${max === "max" ? max : max * MIB}\n`,
    [`${folder}/memory.current`]: `${current * MIB}\n`,
    [`${folder}/memory.stat`]: `anon 4096\nfile 77\ninactive_file ${cache * MIB}\nactive_file 0\n`,
  };
}

/** Where a machine with cgroups of version 2 alone has them. */
export const CGROUP2 = {
  "/proc/self/mountinfo":
    "22 1 0:20 / /proc rw - proc proc rw\n31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
  "/proc/self/cgroup": "0::/pods.slice/pod 7/app\n",
};

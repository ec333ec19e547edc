import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a process holds of the things this library deals in, as /proc tells it. */
export interface ProcessState {
  /** What the open fds point to, without the numbers that differ each time. */
  readonly fds: readonly string[];
  /** How many stretches of memory are mapped from VFIO devices, memory files and hugepages. */
  readonly mappings: number;
  /**
   * Memory charged as locked (`VmLck`), such as "0 kB". It is here that the kernel's VFIO type1 counts what it pins, and
   * this that it holds against RLIMIT_MEMLOCK.
   */
  readonly locked: string;
  /**
   * Memory charged as pinned (`VmPin`). Type1 leaves it at "0 kB" whatever is mapped; RDMA, io_uring and
   * iommufd count here.
   */
  readonly pinned: string;
  /** Free hugepages of the system. */
  readonly freeHugepages: string;
}

/** The state of this process now; compare one from before with one from after. */
export function processState(): ProcessState {
  const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
  return {
    fds: openFiles(),
    mappings: maps.filter((line) => /vfio|memfd:|hugepage|huge/.test(line)).length,
    locked: field("/proc/self/status", "VmLck"),
    pinned: field("/proc/self/status", "VmPin"),
    freeHugepages: field("/proc/meminfo", "HugePages_Free"),
  };
}

function openFiles(): string[] {
  const targets: string[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      targets.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "N"));
    } catch {
      // It was the fd with which the folder was read.
    }
  }
  return targets.sort();
}

function field(file: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(readFileSync(file, "utf8"))?.[1] ?? "unknown";
}

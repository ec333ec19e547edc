import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { countMappings } from "./mappings.js";

export interface ProcessState {
  /** The targets of the open fds, without numbers that differ each time. */
  readonly fds: readonly string[];
  /** The number of mappings of VFIO devices, memory files and hugepages. */
  readonly mappings: number;
  /**
   * Memory charged as locked (`VmLck`), such as "0 kB". VFIO's type1 counts what it pins here, against RLIMIT_MEMLOCK.
   */
  readonly locked: string;
  /** Memory charged as pinned (`VmPin`). Type1 leaves it at "0 kB"; RDMA, io_uring and iommufd count here. */
  readonly pinned: string;
  /** Hugepages that this process has mapped and touched (`HugetlbPages`), such as "2048 kB". */
  readonly hugepages: string;
  /** Of the machine: in the lab only, where nobody else takes or reserves any. */
  readonly freeHugepages?: string;
}

export function processState(): ProcessState {
  const inLab = process.env["VFIO_LAB"] !== undefined;
  return {
    fds: openFiles(),
    mappings: countMappings(read("/proc/self/maps"), read("/proc/self/mounts")),
    locked: field("/proc/self/status", "VmLck"),
    pinned: field("/proc/self/status", "VmPin"),
    hugepages: field("/proc/self/status", "HugetlbPages"),
    ...(inLab ? { freeHugepages: field("/proc/meminfo", "HugePages_Free") } : {}),
  };
}

function openFiles(): string[] {
  const targets: string[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      targets.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "N"));
    } catch {
      // The fd with which the folder was read.
    }
  }
  return targets.sort();
}

function field(file: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(read(file))?.[1] ?? "unknown";
}

function read(file: string): string {
  return readFileSync(file, "utf8");
}

import { checkObject } from "../errors/argument-error.js";
import path from "node:path";
import { cgroupLimits, type CgroupLimit } from "./cgroups.js";
import { VfioError } from "../errors/errors.js";
import { kernel } from "../kernel/kernel.js";
import type { Kernel } from "../kernel/system-calls.js";

const LIMITS = [
  { limit: "memory.max", used: "memory.current" },
  { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes" },
];
/** Small memories share one look at what is left: each look costs 0.2 ms. */
const LARGEST_CREDIT = 4 * 2 ** 20;
const CREDIT_SHARE = 64;
/** This share of what is left stays free: with nothing for their own pages, all processes stall. */
const RESERVE_SHARE = 16;

/** A mapping whose pages are about to be taken: a `Mapping` is one. */
export interface MemoryToTake {
  readonly handle: number;
  readonly bytes: number;
  readonly name: string;
}

/** Bytes that may be taken without a look, on that kernel. */
let credit: { kernel: Kernel; bytes: number } | undefined;

/**
 * Checks that the machine (MemAvailable) and every cgroup's limit leave enough memory for the missing pages of a
 * mapping. Linux overcommits, and then its OOM killer ends processes, this one or any other. A sixteenth of what is
 * left stays free. Swap does not count: pages that a device reaches stay in memory. A cgroup's page cache counts as
 * left, since the kernel gives that up first.
 * @returns a VfioError `ERR_VFIO_MEMORY_EXHAUSTED` with both numbers, or `undefined` if there is enough.
 */
export function memoryShortage(memory: MemoryToTake): VfioError | undefined {
  checkObject("the memory to take", memory);
  if (isOnCredit(memory.bytes)) return undefined;
  const machine = machineMemory();
  const cgroup = tightestCgroup();
  const left = Math.min(machine.available, cgroup?.left ?? Infinity) * (1 - 1 / RESERVE_SHARE);
  const missing = memory.bytes > left ? missingBytes(memory, machine.total) : memory.bytes;
  if (missing > left) return shortageError(memory, missing, machine.available, cgroup);
  credit = { kernel: kernel(), bytes: Math.min((left - missing) / CREDIT_SHARE, LARGEST_CREDIT) };
  return undefined;
}

function isOnCredit(bytes: number): boolean {
  if (credit?.kernel !== kernel() || credit.bytes < bytes) return false;
  credit.bytes -= bytes;
  return true;
}

/** Pages already in memory, such as those of another process, are not taken again. */
function missingBytes({ handle, bytes }: MemoryToTake, total: number): number {
  // Counting is slow in a mapping that is mostly empty, as this one must be.
  if (bytes > 2 * total) return bytes;
  return bytes - Math.max(0, kernel().residentBytes(handle));
}

function machineMemory(): { available: number; total: number } {
  const valueOf = numbersIn("/proc/meminfo", ": *(\\d+) kB");
  const bytesOf = (name: string): number => (valueOf(name) ?? Infinity) * 1024;
  return { available: bytesOf("MemAvailable"), total: bytesOf("MemTotal") };
}

/** The numbers in a kernel file of one name and number for each line. */
function numbersIn(file: string, behindName: string): (name: string) => number | undefined {
  const text = kernel().readText(file);
  return (name) => {
    const found = new RegExp(`^${name}${behindName}$`, "m").exec(typeof text === "string" ? text : "")?.[1];
    return found === undefined ? undefined : Number(found);
  };
}

interface CgroupMemory extends CgroupLimit {
  readonly left: number;
}

function tightestCgroup(): CgroupMemory | undefined {
  const all = cgroupLimits("memory", LIMITS).map((limit) => ({
    ...limit,
    left: Math.max(0, limit.bytes - limit.used + pageCacheOf(path.dirname(limit.file))),
  }));
  return all.sort((one, other) => one.left - other.left)[0];
}

/** In version 1 the plain names are the cgroup's own; those with `total_` include its children, as its usage does. */
function pageCacheOf(folder: string): number {
  const valueOf = numbersIn(`${folder}/memory.stat`, " (\\d+)");
  return ["inactive_file", "active_file"]
    .map((name) => valueOf(`total_${name}`) ?? valueOf(name) ?? 0)
    .reduce((sum, value) => sum + value);
}

function shortageError(
  { name }: MemoryToTake,
  missing: number,
  available: number,
  cgroup: CgroupMemory | undefined,
): VfioError {
  const machine = Number.isFinite(available) ? `the machine has ${mib(available)} left (MemAvailable)` : "";
  const limit =
    cgroup === undefined
      ? "no cgroup limits it"
      : `its cgroup ${mib(cgroup.left)} (${cgroup.file}: ${mib(cgroup.bytes)}, in use ${mib(cgroup.used)})`;
  const numbers = [machine, limit].filter(Boolean).join(", ");
  const problem = `cannot take ${mib(missing)} for ${name}: ${numbers}; a sixteenth of it stays reserved`;
  const byCgroup = cgroup !== undefined && cgroup.left < available;
  return new VfioError("ERR_VFIO_MEMORY_EXHAUSTED", problem, {
    hint: byCgroup
      ? `The OOM killer would end a process of the cgroup: take less, or raise ${cgroup.file}`
      : "The OOM killer would end this process or another one: take less, or make memory free first",
  });
}

function mib(bytes: number): string {
  return bytes < 64 * 2 ** 20 ? `${Math.floor(bytes / 2 ** 10)} KiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}

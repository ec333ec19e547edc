import { kernel } from "../kernel/kernel.js";
import { readLink } from "./sysfs.js";

/** Who has a file open, as far as `/proc` lets this process see. */
export interface Holders {
  /** This process has it open, in any thread: a process has one table of fds. */
  readonly own: boolean;
  /** Otherwise the other processes, as "pid 123 (node)". */
  readonly others: readonly string[];
}

/**
 * Finds processes by the links in `/proc/<pid>/fd`. It serves hints, so it never throws: what cannot be read, or has
 * ended meanwhile, is left out.
 */
export function holdersBy(hasIt: (links: readonly string[]) => boolean): Holders {
  const holds = (pid: string): boolean => hasIt(filesOpenIn(pid) ?? []);
  if (holds("self")) return { own: true, others: [] };
  const names = kernel().list("/proc");
  const pids = typeof names === "number" ? [] : names.filter((name) => /^\d+$/.test(name));
  return { own: false, others: pids.filter(holds).map(shownProcess) };
}

export function holdersOf(...files: readonly string[]): Holders {
  return holdersBy((links) => links.some((link) => files.includes(link)));
}

export function filesOpenIn(pid: number | string): string[] | undefined {
  const folder = `/proc/${pid}/fd`;
  const fds = kernel().list(folder);
  if (typeof fds === "number") return undefined;
  return fds.map((fd) => kernel().readLink(`${folder}/${fd}`)).filter((link) => typeof link === "string");
}

/** The file behind an fd of this process (`/proc/self/fd`); `undefined` if there is none. */
export function fileOf(fd: number): string | undefined {
  return readLink(`/proc/self/fd/${fd}`);
}

/** The name of a process's program (15 bytes at most); `undefined` if it cannot be seen. */
export function processName(pid: number | string): string | undefined {
  const name = kernel().readText(`/proc/${pid}/comm`);
  return typeof name === "string" ? name.trimEnd() : undefined;
}

function shownProcess(pid: string): string {
  const name = processName(pid);
  return name === undefined ? `pid ${pid}` : `pid ${pid} (${name})`;
}

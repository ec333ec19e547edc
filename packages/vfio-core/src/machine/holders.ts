import { kernel } from "@vfio/ioctl-native";

/** Who has something open, as far as `/proc` lets this process see. */
export interface Holders {
  /** This process has it, in whichever thread: a process has one table of fds. */
  readonly own: boolean;
  /** If not, the other processes, as "pid 123 (node)". */
  readonly others: readonly string[];
}

/**
 * Looks for processes by what the links in `/proc/<pid>/fd` say they have open. It is asked for hints, so it never
 * throws: what cannot be read, or has ended meanwhile, is left out.
 */
export function holdersBy(hasIt: (links: readonly string[]) => boolean): Holders {
  if (hasIt(linksOf("self"))) return { own: true, others: [] };
  const pids = namesIn("/proc").filter((name) => /^\d+$/.test(name));
  return { own: false, others: pids.filter((pid) => hasIt(linksOf(pid))).map(nameOf) };
}

/** The processes that have one of some files open. */
export function holdersOf(...files: readonly string[]): Holders {
  return holdersBy((links) => links.some((link) => files.includes(link)));
}

function linksOf(pid: string): string[] {
  return namesIn(`/proc/${pid}/fd`)
    .map((fd) => kernel().readLink(`/proc/${pid}/fd/${fd}`))
    .filter((link) => typeof link === "string");
}

function nameOf(pid: string): string {
  const name = kernel().readText(`/proc/${pid}/comm`);
  return typeof name === "string" ? `pid ${pid} (${name.trimEnd()})` : `pid ${pid}`;
}

function namesIn(folder: string): readonly string[] {
  const names = kernel().list(folder);
  return typeof names === "number" ? [] : names;
}

import { kernel, listFolder, readSysfs } from "@vfio/ioctl-native";

/** The processes that have a file open, as "pid 123 (node)"; only those whose /proc entries we may read. */
export function holdersOf(file: string): string[] {
  return listFolder("/proc")
    .filter((name) => /^\d+$/.test(name) && hasOpen(name, file))
    .map((pid) => `pid ${pid} (${readSysfs(`/proc/${pid}/comm`) ?? "gone"})`);
}

function hasOpen(pid: string, file: string): boolean {
  const names = kernel().list(`/proc/${pid}/fd`);
  if (typeof names === "number") return false;
  return names.some((fd) => kernel().readLink(`/proc/${pid}/fd/${fd}`) === file);
}

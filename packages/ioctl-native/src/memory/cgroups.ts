import { kernel } from "../kernel/kernel.js";

/** Above it a limit of a cgroup (version 1) stands for none: the largest `long`, in whole pages. */
const NO_LIMIT = 2 ** 60;

/** The names of two files of a cgroup that tell one of its limits: `memory.max` and `memory.current`. */
interface CgroupLimitFiles {
  readonly limit: string;
  readonly used: string;
}

/** A limit that the kernel holds this process to, together with all others of the cgroup: in bytes, and its file. */
export interface CgroupLimit {
  readonly file: string;
  readonly bytes: number;
  readonly used: number;
}

/**
 * The limits of one controller (`memory`, `hugetlb`) that this process is under, in cgroups of either version: its own
 * cgroup's first, then those of the ancestors as far as they can be seen from here. Each of them counts. What cannot be
 * read is left out: in a container the host's cgroups are out of sight.
 */
export function cgroupLimits(controller: string, files: readonly CgroupLimitFiles[]): CgroupLimit[] {
  return cgroupFolders(controller).flatMap((folder) =>
    files.flatMap(({ limit, used }) => limitOf(`${folder}/${limit}`, `${folder}/${used}`)),
  );
}

function limitOf(file: string, usedFile: string): CgroupLimit[] {
  const bytes = numberIn(file);
  const used = numberIn(usedFile);
  if (bytes === undefined || used === undefined || bytes >= NO_LIMIT) return [];
  return [{ file, bytes, used }];
}

/** "max", and whatever else is no number, is `undefined`. */
function numberIn(file: string): number | undefined {
  const [text = ""] = linesOf(file);
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function cgroupFolders(controller: string): string[] {
  const memberships = linesOf("/proc/self/cgroup").map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  const old = memberships.find(([, controllers]) => controllers?.split(",").includes(controller));
  const [, , path] = old ?? memberships.find(([, controllers]) => controllers === "") ?? [];
  const mounts = cgroupMounts(old === undefined ? undefined : controller);
  if (path === undefined) return [];
  const mount = mounts.find(({ root }) => within(root, path) !== undefined) ?? mounts[0];
  return mount === undefined ? [] : foldersOf(path, mount);
}

interface CgroupMount {
  /** Which folder of the hierarchy is mounted: in a container often its own. */
  readonly root: string;
  readonly point: string;
}

/** Where a hierarchy is mounted (proc_pid_mountinfo(5)): that of a controller of version 1, or of version 2. */
function cgroupMounts(controller: string | undefined): CgroupMount[] {
  return linesOf("/proc/self/mountinfo").flatMap((line) => {
    const [mount = "", filesystem = ""] = line.split(" - ");
    const [type, , options = ""] = filesystem.split(" ");
    const isOld = type === "cgroup" && options.split(",").includes(controller ?? "");
    const fits = controller === undefined ? type === "cgroup2" : isOld;
    const [, , , root = "", point = ""] = mount.split(" ");
    return fits ? [{ root: unescaped(root), point: unescaped(point) }] : [];
  });
}

function foldersOf(path: string, { root, point }: CgroupMount): string[] {
  const parts = (within(root, path) ?? "").split("/").filter((part) => part !== "");
  // A cgroup beside the namespace's root has no folder here.
  if (parts.includes("..")) return [point];
  return [...parts.keys(), parts.length]
    .reverse()
    .map((depth) => [point, ...parts.slice(0, depth)].join("/"));
}

/** A path below a root, without the root. */
function within(root: string, path: string): string | undefined {
  if (root === "/") return path;
  return `${path}/`.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

function linesOf(file: string): string[] {
  const text = kernel().readText(file);
  return typeof text === "string" ? text.split("\n") : [];
}

/** A blank in a path is `\040` there. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

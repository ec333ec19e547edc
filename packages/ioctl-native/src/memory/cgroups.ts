import { kernel } from "../kernel/kernel.js";

/** A larger limit (version 1) means none: the largest `long`, in whole pages. */
const NO_LIMIT = 2 ** 60;

interface CgroupLimitFiles {
  readonly limit: string;
  readonly used: string;
}

/** A limit that all processes of a cgroup share, in bytes, and its file. */
export interface CgroupLimit {
  readonly file: string;
  readonly bytes: number;
  readonly used: number;
}

/**
 * The limits of one controller (`memory`, `hugetlb`) on this process, in cgroups of either version: its own cgroup's
 * first, then those of the ancestors. All apply. Those that cannot be read are left out: in a container the host's
 * cgroups are out of sight.
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

/** `undefined` for "max" and anything else that is no number. */
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
  /** The mounted folder of the hierarchy: in a container often its own. */
  readonly root: string;
  readonly point: string;
}

/** Where a hierarchy is mounted (proc_pid_mountinfo(5)): of a controller in version 1, or of version 2. */
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
  // A cgroup outside the namespace's root has no folder here.
  if (parts.includes("..")) return [point];
  return [...parts.keys(), parts.length]
    .reverse()
    .map((depth) => [point, ...parts.slice(0, depth)].join("/"));
}

function within(root: string, path: string): string | undefined {
  if (root === "/") return path;
  return `${path}/`.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

function linesOf(file: string): string[] {
  const text = kernel().readText(file);
  return typeof text === "string" ? text.split("\n") : [];
}

/** mountinfo writes a blank in a path as `\040`. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}

import { errnoOf, kernel, systemPageBytes, type MemoryFailure } from "@vfio/ioctl-native";
import { cgroupLimits, readSysfs } from "@vfio/ioctl-native/internal";
import { countHugepages, countHugepagesByNode, hugepageFile, hugepageSizes } from "./hugepages.js";

export interface WantedPages {
  readonly bytes: number;
  readonly pageBytes: number;
  readonly numaNode?: number | undefined;
  readonly directory?: string | undefined;
}

/** The remedy for a failure to make or map memory, as far as call and errno tell one. */
export function pageHint({ syscall, errno }: MemoryFailure, wanted: WantedPages): string | undefined {
  if (isOneOf(errno, "EMFILE", "ENFILE")) return "Close some files, or raise the limit: ulimit -n";
  switch (syscall) {
    case "memfd_create":
      return memoryFileHint(errno, wanted);
    case "open":
      return directoryHint(errno, wanted);
    case "ftruncate":
      return errno === errnoOf("EFBIG")
        ? "RLIMIT_FSIZE forbids files as large: ulimit -f unlimited"
        : undefined;
    case "mbind":
      return nodeHint(errno, wanted);
    case "mmap":
    case "madvise":
      return errno === errnoOf("ENOMEM") ? shortageHint(wanted) : undefined;
    default:
      return undefined;
  }
}

function memoryFileHint(errno: number, { pageBytes }: WantedPages): string | undefined {
  const isHuge = pageBytes > systemPageBytes();
  if (isOneOf(errno, "EPERM", "ENOSYS"))
    return (
      "Either a seccomp filter (a container's profile) forbids memfd_create, or the kernel does not have it" +
      (isHuge ? ". With { directory }, the pages come from a mounted hugetlbfs instead" : "")
    );
  if (errno === errnoOf("EACCES"))
    return "vm.memfd_noexec forbids memory files without MFD_NOEXEC_SEAL: sysctl vm.memfd_noexec=1";
  if (!isOneOf(errno, "ENODEV", "EINVAL") || !isHuge) return undefined;
  const sizes = hugepageSizes();
  if (sizes.includes(pageBytes)) return undefined;
  return `This machine has no pages of ${pageBytes} bytes: it has ${[systemPageBytes(), ...sizes].join(", ")}`;
}

function directoryHint(errno: number, { directory = "" }: WantedPages): string | undefined {
  switch (errno) {
    case errnoOf("EACCES"):
    case errnoOf("EPERM"):
      return `This user may not make files in ${directory}: chown it, or mount it with uid=, gid= and mode=`;
    case errnoOf("EROFS"):
      return `${directory} is mounted read-only: mount -o remount,rw ${directory}`;
    case errnoOf("ENOSPC"):
      return `${directory} has no room for another file: mount it with a larger nr_inodes=`;
    default:
      return undefined;
  }
}

function nodeHint(errno: number, { numaNode }: WantedPages): string | undefined {
  if (errno === errnoOf("EPERM"))
    return "A seccomp filter forbids mbind; Docker's default profile does, without CAP_SYS_NICE. Allow it, or leave numaNode out";
  if (errno === errnoOf("ENOSYS"))
    return "The kernel has no NUMA (CONFIG_NUMA), or a seccomp filter hides mbind: leave numaNode out";
  if (errno !== errnoOf("EINVAL")) return undefined;
  const allowed = /^Mems_allowed_list:\s*(\S+)/m.exec(readSysfs("/proc/self/status") ?? "")?.[1];
  if (allowed === undefined) return undefined;
  return `Node ${numaNode} has no memory, or this process may not use it: its cpuset allows the nodes ${allowed}`;
}

/** The pool, a cgroup and a mount can each run short of hugepages. */
function shortageHint(wanted: WantedPages): string | undefined {
  const { bytes, pageBytes } = wanted;
  if (pageBytes === systemPageBytes()) return undefined;
  const limits = [...cgroupHints(bytes, pageBytes), ...mountHints(wanted)];
  return [poolHint(wanted, limits.length > 0), ...limits].join(". ");
}

function poolHint({ bytes, pageBytes, numaNode }: WantedPages, isLimited: boolean): string {
  const needed = Math.ceil(bytes / pageBytes);
  const count = countHugepages(pageBytes);
  if (count === undefined) return `This machine has no pages of ${pageBytes} bytes`;
  const nodes = countHugepagesByNode(pageBytes);
  const node = nodes.find((each) => each.node === numaNode);
  const perNode = nodes.map((each) => `node ${each.node}: ${each.reserved} reserved, ${each.free} free`);
  const numbers =
    `Hugepages of ${pageBytes / 1024} KiB: ${count.reserved} reserved, ${count.available} free, ${needed} needed` +
    (perNode.length === 0 ? "" : ` (${perNode.join("; ")})`);
  const lacking = needed - Math.min(count.available, node?.free ?? Infinity);
  if (lacking > 0) {
    const total = (node ?? count).reserved + lacking;
    return `${numbers}. Reserve more: echo ${total} > ${hugepageFile("nr_hugepages", pageBytes, node?.node)}`;
  }
  return isLimited
    ? numbers
    : `${numbers}. So the pool is large enough: a cgroup that is not visible from here may limit them`;
}

/** Reservations (`rsvd`) count when memory is mapped, pages when they are taken. */
function cgroupHints(bytes: number, pageBytes: number): string[] {
  const name = `hugetlb.${sizeName(pageBytes, ["KB", "MB", "GB"])}`;
  const files = [`${name}.rsvd`, name].flatMap((each) => [
    { limit: `${each}.max`, used: `${each}.current` },
    { limit: `${each}.limit_in_bytes`, used: `${each}.usage_in_bytes` },
  ]);
  const tight = cgroupLimits("hugetlb", files).find((limit) => limit.bytes - limit.used < bytes);
  if (tight === undefined) return [];
  const resource = `hugepages-${sizeName(pageBytes, ["Ki", "Mi", "Gi"])}`;
  return [
    `The cgroup allows ${tight.bytes} bytes of them, ${tight.used} are in use, ${bytes} are needed (${tight.file}). ` +
      `Raise that limit; in Kubernetes it is the container's ${resource}`,
  ];
}

function mountHints({ bytes, pageBytes, directory }: WantedPages): string[] {
  const found = directory === undefined ? errnoOf("ENOENT") : kernel().filesystem(directory);
  if (typeof found === "number" || found.blocks === 0 || found.freeBlocks * pageBytes >= bytes) return [];
  return [
    `${directory} is mounted with size= for ${found.blocks} pages, ${found.freeBlocks} of them free: mount one with more`,
  ];
}

/** The kernel's name of a hugepage size: 2MB. */
function sizeName(pageBytes: number, units: readonly [string, string, string]): string {
  const power = pageBytes >= 2 ** 30 ? 2 : pageBytes >= 2 ** 20 ? 1 : 0;
  return `${pageBytes / 2 ** (10 * (power + 1))}${units[power]}`;
}

function isOneOf(errno: number, ...names: Parameters<typeof errnoOf>[0][]): boolean {
  return names.some((name) => errnoOf(name) === errno);
}

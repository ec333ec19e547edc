import { errnoOf, kernel, readSysfs, type IommuInfo } from "@vfio/ioctl-native";

const ENTRY_LIMIT = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";

/**
 * What a refused `VFIO_IOMMU_MAP_DMA` means, and the remedy, by errno.
 * @param wanted how many bytes were still to be mapped.
 */
export function explainMapFailure(errno: number, wanted: number, info: () => IommuInfo): { hint?: string } {
  switch (errno) {
    case errnoOf("ENOMEM"):
      return { hint: memlockHint(wanted) };
    case errnoOf("ENOSPC"):
      return { hint: entryLimitHint(info) };
    case errnoOf("EEXIST"):
      return {
        hint:
          "The range overlaps a mapping of this container that another mapper, process or library made: " +
          "mappers of one process share an IovaAllocator ({ iova: allocator }), and keep clear of others with windows in its `reserved`",
      };
    case errnoOf("EINVAL"):
      return {
        hint: "The IOMMU may have changed since its ranges were read: a group joined or left",
      };
    case errnoOf("EFAULT"):
      return { hint: "The memory's virtual address is not mapped, or not writable, in this process" };
    default:
      return {};
  }
}

/** VFIO counts the pages it pins, hugepages included, against RLIMIT_MEMLOCK; they show up in VmLck. */
function memlockHint(wanted: number): string {
  const limit = kernel().memlockLimit();
  const allowed = typeof limit === "number" ? "unknown" : kib(limit.current);
  const locked = /VmLck:\s*(\d+ kB)/.exec(readSysfs("/proc/self/status") ?? "")?.[1] ?? "unknown";
  return (
    `RLIMIT_MEMLOCK is ${allowed}, in use ${locked}, needed ${kib(wanted)} more. ` +
    "Raise it: `ulimit -l unlimited`, LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), " +
    "or give the process CAP_IPC_LOCK"
  );
}

function entryLimitHint(info: () => IommuInfo): string {
  const limit = readSysfs(ENTRY_LIMIT) ?? "unknown";
  return (
    `The container's mappings are used up: ${info().mappingsLeft ?? "unknown"} left of ${limit}. ` +
    `Map larger pieces, or raise the limit for new containers: echo N > ${ENTRY_LIMIT}`
  );
}

function kib(bytes: number): string {
  return Number.isFinite(bytes) ? `${bytes / 1024} kB` : "unlimited";
}

import { errnoOf, type Hint } from "../errors/errors.js";
import { kernel } from "../kernel/kernel.js";
import { readSysfs } from "../machine/sysfs.js";
import type { IommuInfo } from "./iommu-info.js";

const ENTRY_LIMIT = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";

/**
 * The remedy for a refused `VFIO_IOMMU_MAP_DMA`, by errno.
 * @param wanted the number of bytes still to be mapped.
 */
export function explainMapFailure(errno: number, wanted: number, info: () => IommuInfo | undefined): Hint {
  switch (errno) {
    case errnoOf("ENOMEM"):
      return () => memlockHint(wanted);
    case errnoOf("ENOSPC"):
      return () => entryLimitHint(info);
    case errnoOf("EEXIST"):
      return (
        "The range overlaps a mapping of this container that another mapper, process or library made: " +
        "let mappers of one process share an IovaAllocator ({ iova: allocator }), and keep clear of others with windows in its `reserved`"
      );
    case errnoOf("EINVAL"):
      return "The IOMMU may have changed since its ranges were read: a group joined or left";
    case errnoOf("EFAULT"):
      return "The memory's virtual address is not mapped, or not writable, in this process";
    default:
      return undefined;
  }
}

/**
 * VFIO counts the pages it pins, hugepages included, against RLIMIT_MEMLOCK; VmLck shows them. If the limit would do,
 * the kernel has no memory left for its page tables.
 */
function memlockHint(wanted: number): string | undefined {
  const limit = kernel().memlockLimit();
  const locked = /VmLck:\s*(\d+) kB/.exec(readSysfs("/proc/self/status") ?? "")?.[1];
  if (typeof limit === "number" || locked === undefined) return undefined;
  if (Number(locked) * 1024 + wanted <= limit.current) return undefined;
  return (
    `RLIMIT_MEMLOCK is ${limit.current / 1024} kB, in use ${locked} kB, needed ${wanted / 1024} kB more. ` +
    "Raise it: `ulimit -l unlimited`, LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), " +
    "or give the process CAP_IPC_LOCK"
  );
}

function entryLimitHint(info: () => IommuInfo | undefined): string | undefined {
  const left = info()?.mappingsLeft ?? "unknown";
  if (left !== "unknown" && left > 0) return undefined;
  const limit = readSysfs(ENTRY_LIMIT) ?? "unknown";
  return (
    `The container's mappings are used up: ${left} left of ${limit}. ` +
    `Map larger pieces, or raise the limit for new containers: echo N > ${ENTRY_LIMIT}`
  );
}

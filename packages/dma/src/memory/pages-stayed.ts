import { systemPageBytes, VfioError, type Extent, type MappableMemory } from "@vfio/ioctl-native";
import { sameExtent } from "@vfio/ioctl-native/internal";
import { planExtents } from "../mapping/plan-extents.js";

/**
 * Ordinary pages can move after their physical addresses are read and before the kernel pins them: the IOVAs would be
 * physical addresses no longer. Hugepages move only when memory goes offline or a policy asks for it, so they are not
 * read again.
 * @throws VfioError `ERR_VFIO_PAGES_MOVED`.
 */
export function checkPagesStayed(memory: MappableMemory, extents: readonly Extent[]): void {
  if (memory.pageBytes > systemPageBytes()) return;
  const now = planExtents(memory, "physical");
  const stayed = now.length === extents.length && now.every((each, at) => sameExtent(each, extents[at]));
  if (stayed) return;
  throw new VfioError(
    "ERR_VFIO_PAGES_MOVED",
    "the kernel moved pages of the memory while it was being mapped",
    {
      hint: "Try again, or use hugepages, which the kernel moves only when it takes memory offline",
    },
  );
}

import { VfioError } from "@vfio/ioctl-native";
import type { MappableMemory } from "./dma-mapping.js";
import type { DmaSegment } from "./iova-table.js";
import { planStretches, without, type MemoryPart } from "./plan-segments.js";

/** What was mapped: a memory but for some parts of it. */
interface PinnedMemory {
  readonly memory: MappableMemory;
  readonly withdrawn: readonly MemoryPart[];
}

/**
 * Ordinary pages can move between the reading of their physical addresses and their pinning by the kernel; then the
 * IOVAs would not be physical addresses any more. Hugepages of a hugetlb file stay, so they are not read again.
 * @throws VfioError `ERR_VFIO_PAGES_MOVED`.
 */
export function checkPagesStayed(
  { memory, withdrawn }: PinnedMemory,
  stretches: readonly DmaSegment[],
): void {
  if (memory.pageBytes > 4096) return;
  const now = without(planStretches(memory, "physical"), withdrawn);
  if (sameSegments(now, stretches)) return;
  throw new VfioError(
    "ERR_VFIO_PAGES_MOVED",
    "the kernel moved pages of the memory while it was being mapped",
    { hint: "Try again, or use hugepages, which do not move" },
  );
}

/**
 * Without a group nothing is pinned, so the kernel may move pages before the next one joins; it can move hugepages, too.
 * Then a table, a buffer or a device that knows the former addresses would reach other pages with them.
 * @throws VfioError `ERR_VFIO_PAGES_MOVED`.
 */
export function checkStillThere(
  { known }: { readonly known: readonly DmaSegment[] },
  stretches: readonly DmaSegment[],
): void {
  if (known.length === 0 || sameSegments(known, stretches)) return;
  throw new VfioError(
    "ERR_VFIO_PAGES_MOVED",
    "the kernel moved pages of the memory while the container had no group: their physical addresses are others now",
    { hint: 'Unmap the memory and map it anew, or use { iova: "allocate" }: then addresses do not change' },
  );
}

function sameSegments(ones: readonly DmaSegment[], others: readonly DmaSegment[]): boolean {
  return ones.length === others.length && ones.every((one, at) => sameSegment(one, others[at]));
}

function sameSegment(one: DmaSegment, other: DmaSegment | undefined): boolean {
  return one.offset === other?.offset && one.iova === other.iova && one.bytes === other.bytes;
}

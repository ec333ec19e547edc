import { systemPageBytes, type Mapping } from "@vfio/ioctl-native";
import { memoryShortage, printAs } from "@vfio/ioctl-native/internal";
import { checkMapping, checkPageBytes } from "./memory-checks.js";
import { MappedMemory } from "./mapped-memory.js";

/**
 * Memory that is mapped in this process already, ready to be mapped for DMA: any `Mapping` of a file. Its pages can
 * be moved by the kernel until a mapper has pinned them, so their physical addresses are read again afterwards.
 * @example
 * ```ts
 * import { UserMemory } from "@vfio/dma";
 * import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
 *
 * using file = createMemoryFile({ bytes: 8192, pageBytes: 4096 });
 * using mapping = Mapping.map({ file, bytes: 8192, name: "my memory" });
 * const memory = new UserMemory(mapping); // what DmaMapper.map takes
 * console.log(memory.bytes, memory.pageBytes); // 8192 4096
 * ```
 */
export class UserMemory extends MappedMemory {
  static {
    printAs(UserMemory, (it) => ({ bytes: it.bytes, address: it.address, closed: it.#mapping.closed }));
  }

  readonly #mapping: Mapping;

  /**
   * @param mapping stays the caller's; it cannot be closed while it is mapped for DMA.
   * @param pageBytes the size of its pages in bytes. Default: ordinary ones.
   * @throws VfioError `ERR_VFIO_MEMORY_EXHAUSTED` if the machine or a cgroup has less memory left than the mapping's
   * ordinary pages would take that nobody has touched: mapping for DMA takes all of them. VfioRangeError
   * `ERR_VFIO_DMA_ARGUMENT` for what is no Mapping, `ERR_VFIO_MEMORY_SIZE` for what is no page's size.
   */
  constructor(mapping: Mapping, pageBytes: number = systemPageBytes()) {
    checkMapping(mapping);
    checkPageBytes(pageBytes);
    super(mapping, pageBytes);
    const shortage = pageBytes > systemPageBytes() ? undefined : memoryShortage(mapping);
    if (shortage !== undefined) throw shortage;
    this.#mapping = mapping;
  }
}

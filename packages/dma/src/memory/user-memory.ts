import { systemPageBytes, type Mapping } from "@vfio/ioctl-native";
import { memoryShortage, printAs } from "@vfio/ioctl-native/internal";
import { checkMapping, checkPageBytes } from "./memory-checks.js";
import { MappedMemory } from "./mapped-memory.js";

/**
 * Memory of any `Mapping` of a file, ready to be mapped for DMA. The kernel can move its pages until a mapper has
 * pinned them, so their physical addresses are read again afterwards.
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
   * @param pageBytes Default: ordinary pages.
   * @throws VfioError `ERR_VFIO_MEMORY_EXHAUSTED` if the machine or a cgroup has too little memory left for the
   * mapping's untouched ordinary pages: mapping for DMA takes all of them. VfioRangeError `ERR_VFIO_DMA_ARGUMENT` if
   * `mapping` is none, `ERR_VFIO_MEMORY_SIZE` if `pageBytes` is no page size.
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

import type { HasFd } from "../files/fd.js";

/** Memory of this process that devices may be given. */
export interface MappableMemory {
  /** A multiple of `pageBytes`. */
  readonly bytes: number;
  /** 4096, or the size of its hugepages. */
  readonly pageBytes: number;
  /** Its virtual address in this process, a multiple of `pageBytes`. */
  readonly address: bigint;
  /** The physical address of each page, in order; asked for only where device addresses follow them. */
  physicalAddresses(): bigint[];
  /**
   * Forbids unmapping the memory from this process while devices can reach it.
   * @param file the container: as long as it is open, devices can, even if the thread that asked has ended.
   */
  hold(reason: string, file?: HasFd): Disposable;
}

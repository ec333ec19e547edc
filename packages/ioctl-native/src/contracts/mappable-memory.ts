import type { HasFd } from "../files/fd.js";

/** Memory of this process that devices may reach. */
export interface MappableMemory {
  /** A multiple of `pageBytes`. */
  readonly bytes: number;
  /** 4096, or the hugepage size. */
  readonly pageBytes: number;
  /** The virtual address in this process, a multiple of `pageBytes`. */
  readonly address: bigint;
  /** The physical address of each page, in order; called only where device addresses follow them. */
  physicalAddresses(): bigint[];
  /**
   * Forbids unmapping the memory from this process while devices can reach it.
   * @param file the container: devices can while it is open, even if the calling thread has ended.
   */
  hold(reason: string, file?: HasFd): Disposable;
}

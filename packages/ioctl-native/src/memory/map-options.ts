import type { HasFd } from "../files/fd.js";
import type { LinearMemory } from "./linear-memory.js";
import type { MemoryFailure } from "./memory-file.js";

/** Options of `Mapping.map`. */
export interface MapOptions {
  /** A memory file, or a device for one of its regions. It may be closed afterwards. */
  readonly file: HasFd;
  /** At least 1. */
  readonly bytes: number;
  /** In the file, in bytes; a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Default true. */
  readonly writable?: boolean;
  /** Take all pages now: a shortage then is an error here, and no SIGBUS later. Default false. */
  readonly populate?: boolean;
  /** Map exactly there, or fail with EEXIST if something is mapped there. Default: anywhere. */
  readonly address?: bigint;
  /**
   * Lay the pages into this WebAssembly memory, too: registers are then reached without native calls, and compiled code
   * and other threads see them there. Not with `writable: false`. Default: none.
   */
  readonly within?: LinearMemory | undefined;
  /** Take the pages from this NUMA node only (`mbind(2)`); with `populate`, at once. Default: any node. */
  readonly numaNode?: number | undefined;
  /** For error messages. Default: the fd. */
  readonly name?: string;
  /** The remedy when the kernel refuses, by the call and its errno. */
  readonly hint?: (failure: MemoryFailure) => string | undefined;
}

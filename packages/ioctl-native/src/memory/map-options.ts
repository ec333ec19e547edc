import type { HasFd } from "../files/fd.js";
import type { LinearMemory } from "./linear-memory.js";
import type { MemoryFailure } from "./memory-file.js";

/** Options of `Mapping.map`. */
export interface MapOptions {
  /** What to map: a memory file, or a device for one of its regions. It may be closed afterwards. */
  readonly file: HasFd;
  /** Length in bytes, at least 1. */
  readonly bytes: number;
  /** Where in the file, in bytes; a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Default true. */
  readonly writable?: boolean;
  /** Take all pages now, so that a missing one is an error here and not memory of ones later. Default false. */
  readonly populate?: boolean;
  /** Map exactly there or fail with EEXIST if something is there already. Default: anywhere. */
  readonly address?: bigint;
  /**
   * Lay the pages into this WebAssembly memory, too: registers are then reached without native calls, and compiled code
   * and other threads see them there. Default: none.
   */
  readonly within?: LinearMemory | undefined;
  /** Take the pages from this NUMA node only (`mbind(2)`); with `populate`, at once. Default: any node. */
  readonly numaNode?: number;
  /** What it is, for error messages. Default: its fd. */
  readonly name?: string;
  /** The remedy to name when the kernel refuses, by the call and its errno. */
  readonly hint?: (failure: MemoryFailure) => string | undefined;
}

/** Options of `DmaMapper.map`. */
export interface MapMemoryOptions {
  /** Map the memory at this address instead of where the mapper's mode would. */
  readonly iova?: bigint;
  /** What devices may do. Default `read-write`. */
  readonly access?: "read-write" | "read-only" | "write-only";
  /** Map in pieces of at most this size, each of which can be unmapped on its own. Default: as few as possible. */
  readonly pieceBytes?: number;
}

/** Options of `DmaMapper.mapAsync`. */
export interface MapAsyncOptions extends MapMemoryOptions {
  /** Ends it between two pieces; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

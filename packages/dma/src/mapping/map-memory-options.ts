/** Options of `DmaMapper.map`. */
export interface MapMemoryOptions {
  /** Map the memory here, instead of where the mapper's mode would. */
  readonly iova?: bigint;
  /** Default `read-write`. */
  readonly access?: "read-write" | "read-only" | "write-only";
  /** Map in pieces of at most this size, each of which can be unmapped alone. Default: as few pieces as possible. */
  readonly pieceBytes?: number;
}

/** Options of `DmaMapper.mapAsync`. */
export interface MapAsyncOptions extends MapMemoryOptions {
  /** Stops between two pieces; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

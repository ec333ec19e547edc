/** A stretch of memory that is mapped in one piece. */
export interface DmaSegment {
  /** Where it starts in the memory, in bytes. */
  readonly offset: number;
  /** The address under which devices reach it. */
  readonly iova: bigint;
  /** Its length. */
  readonly bytes: number;
}

/** A part of a memory. */
export interface MemoryPart {
  /** Where it starts, in bytes. */
  readonly offset: number;
  /** Its length. */
  readonly bytes: number;
}

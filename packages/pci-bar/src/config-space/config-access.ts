/** The reads and writes of a config space that its named registers are made of. */
export interface ConfigAccess {
  /** Reads 16 bits at a multiple of 2. */
  read16(offset: number): number;
  /** Reads 32 bits at a multiple of 4. */
  read32(offset: number): number;
  /** Writes 16 bits at a multiple of 2. */
  write16(offset: number, value: number): void;
}

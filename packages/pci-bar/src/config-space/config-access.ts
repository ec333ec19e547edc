/** The accesses that named registers are made of. */
export interface ConfigAccess {
  /** At a multiple of 2. */
  read16(offset: number): number;
  /** At a multiple of 4. */
  read32(offset: number): number;
  /** At a multiple of 2. */
  write16(offset: number, value: number): void;
}

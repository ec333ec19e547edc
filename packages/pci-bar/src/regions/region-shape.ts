/** What a region is called and how large it is. */
export interface RegionShape {
  /** For error messages: "BAR0 of 0000:00:10.0". */
  readonly name: string;
  /** Its length. */
  readonly bytes: number;
  /** False for a ROM. */
  readonly writable: boolean;
}

import type { Capability } from "./capability.js";
import type { PciHeader } from "./header.js";

/** A decoded config space, as data. */
export interface ConfigContents {
  /** The first 64 bytes. */
  readonly header: PciHeader;
  /** All capabilities, the standard ones first, in the order of their lists. */
  readonly capabilities: readonly Capability[];
  /** What is wrong with the capability lists. Empty for a sound device. */
  readonly problems: readonly string[];
}

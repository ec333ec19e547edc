import { bitsOf, decodeFlags, flagText, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** What function groups of an ARI device are for: virtual channels, access control. */
export type RoutingIdFlag = "virtualChannels" | "accessControl";

/** Alternative routing-ID interpretation: more than eight functions (PCI Express Base 3.0, section 7.23). */
export interface RoutingId {
  /** What its function groups could be for. */
  readonly support: BitFlags<RoutingIdFlag>;
  /** The next function's number, 0 for none. */
  readonly nextFunction: number;
  /** What its function groups are for now. */
  readonly control: BitFlags<RoutingIdFlag>;
  /** The group this function belongs to, 0 to 7. */
  readonly functionGroup: number;
}

const FLAGS: FlagTable<RoutingIdFlag> = { virtualChannels: [0, "MFVC"], accessControl: [1, "ACS"] };

/** Reads the 8 bytes of ARI. */
export function decodeRoutingId(view: CapabilityView): RoutingId {
  const [capabilities, control] = [view.read16(4), view.read16(6)];
  return {
    support: decodeFlags(FLAGS, capabilities),
    nextFunction: bitsOf(capabilities, 8, 8),
    control: decodeFlags(FLAGS, control),
    functionGroup: bitsOf(control, 4, 3),
  };
}

export function describeRoutingId({ support, nextFunction, control, functionGroup }: RoutingId): string[] {
  return [
    "Alternative Routing-ID Interpretation (ARI)",
    `\t\tARICap:\t${flagText(FLAGS, support)}, Next Function: ${nextFunction}`,
    `\t\tARICtl:\t${flagText(FLAGS, control)}, Function Group: ${functionGroup}`,
  ];
}

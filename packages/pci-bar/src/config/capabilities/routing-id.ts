import { bitsOf, decodeFlags, flagTable, flagText } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const FLAGS = flagTable({ virtualChannels: [0, "MFVC"], accessControl: [1, "ACS"] });
/** The uses of an ARI device's function groups: virtual channels, access control. @useDeclaredType */
export type RoutingIdFlag = keyof typeof FLAGS;

/** Alternative routing-ID interpretation: more than eight functions (PCI Express Base 3.0, section 7.23). @useDeclaredType */
export type RoutingId = ReturnType<typeof decodeRoutingId>;

export function decodeRoutingId(view: CapabilityView) {
  const [capabilities, control] = [view.read16(4), view.read16(6)];
  return {
    support: decodeFlags(FLAGS, capabilities),
    /** The next function's number, 0 for none. */
    nextFunction: bitsOf(capabilities, 8, 8),
    control: decodeFlags(FLAGS, control),
    /** This function's group, 0 to 7. */
    functionGroup: bitsOf(control, 4, 3),
  } as const;
}

export function describeRoutingId({ support, nextFunction, control, functionGroup }: RoutingId): string[] {
  return [
    "Alternative Routing-ID Interpretation (ARI)",
    `\t\tARICap:\t${flagText(FLAGS, support)}, Next Function: ${nextFunction}`,
    `\t\tARICtl:\t${flagText(FLAGS, control)}, Function Group: ${functionGroup}`,
  ];
}

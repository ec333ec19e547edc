import { decodeFlags, flagTable, flagText, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const SUPPORT = flagTable({
  transactionsPending: [0, "TP"],
  functionReset: [1, "FLR"],
});

/** Advanced features of a conventional PCI device: function-level reset (Advanced Capabilities for Conventional PCI ECN). @useDeclaredType */
export type AdvancedFeatures = ReturnType<typeof decodeAdvancedFeatures>;

export function decodeAdvancedFeatures(view: CapabilityView) {
  return {
    /** Whether it reports pending transactions, and can be reset as one function. */
    support: decodeFlags(SUPPORT, view.read8(3)),
    /** Always reads 0; writing 1 resets the function. */
    functionReset: isSet(view.read8(4), 0),
    transactionsPending: isSet(view.read8(5), 0),
  } as const;
}

export function describeAdvancedFeatures(features: AdvancedFeatures): string[] {
  return [
    "PCI Advanced Features",
    `\t\tAFCap: ${flagText(SUPPORT, features.support)}`,
    `\t\tAFCtrl: FLR${plusMinus(features.functionReset)}`,
    `\t\tAFStatus: TP${plusMinus(features.transactionsPending)}`,
  ];
}

import { decodeFlags, flagText, isSet, plusMinus, type BitFlags, type FlagTable } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Advanced features of a conventional PCI device: function-level reset (Advanced Capabilities for Conventional PCI ECN). */
export interface AdvancedFeatures {
  /** It can say that transactions are pending, and be reset as one function. */
  readonly support: BitFlags<"transactionsPending" | "functionReset">;
  /** Always reads 0; writing 1 resets the function. */
  readonly functionReset: boolean;
  /** Transactions are pending. */
  readonly transactionsPending: boolean;
}

const SUPPORT: FlagTable<keyof AdvancedFeatures["support"]> = {
  transactionsPending: [0, "TP"],
  functionReset: [1, "FLR"],
};

/** Reads the 6 bytes of the advanced features. */
export function decodeAdvancedFeatures(view: CapabilityView): AdvancedFeatures {
  return {
    support: decodeFlags(SUPPORT, view.read8(3)),
    functionReset: isSet(view.read8(4), 0),
    transactionsPending: isSet(view.read8(5), 0),
  };
}

export function describeAdvancedFeatures(features: AdvancedFeatures): string[] {
  return [
    "PCI Advanced Features",
    `\t\tAFCap: ${flagText(SUPPORT, features.support)}`,
    `\t\tAFCtrl: FLR${plusMinus(features.functionReset)}`,
    `\t\tAFStatus: TP${plusMinus(features.transactionsPending)}`,
  ];
}

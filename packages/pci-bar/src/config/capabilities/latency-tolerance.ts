import { bitsOf } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Latency tolerance reporting (PCI Express Base 3.0, section 7.25). */
export interface LatencyTolerance {
  /** The longest latency for snooped requests, in nanoseconds. */
  readonly maxSnoopNs: number;
  /** The longest latency for requests that are not snooped, in nanoseconds. */
  readonly maxNoSnoopNs: number;
}

/** Reads the 8 bytes of LTR. */
export function decodeLatencyTolerance(view: CapabilityView): LatencyTolerance {
  return { maxSnoopNs: latencyOf(view.read16(4)), maxNoSnoopNs: latencyOf(view.read16(6)) };
}

/** A value of 10 bits, and a scale that multiplies it by 32 again and again. */
function latencyOf(register: number): number {
  return bitsOf(register, 0, 10) * 32 ** bitsOf(register, 10, 3);
}

export function describeLatencyTolerance({ maxSnoopNs, maxNoSnoopNs }: LatencyTolerance): string[] {
  return [
    "Latency Tolerance Reporting",
    `\t\tMax snoop latency: ${maxSnoopNs}ns`,
    `\t\tMax no snoop latency: ${maxNoSnoopNs}ns`,
  ];
}

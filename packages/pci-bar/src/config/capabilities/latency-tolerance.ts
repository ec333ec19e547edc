import { bitsOf } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Latency tolerance reporting (PCI Express Base 3.0, section 7.25). */
export interface LatencyTolerance {
  /** The longest latency for snooped requests, in nanoseconds, or `undefined` for a reserved scale. */
  readonly maxSnoopNs: number | undefined;
  /** The longest latency for requests that are not snooped, in nanoseconds, or `undefined` for a reserved scale. */
  readonly maxNoSnoopNs: number | undefined;
}

const LAST_SCALE = 5;

export function decodeLatencyTolerance(view: CapabilityView): LatencyTolerance {
  return { maxSnoopNs: latencyOf(view.read16(4)), maxNoSnoopNs: latencyOf(view.read16(6)) };
}

/** A value of 10 bits, and a scale that multiplies it by 32 again and again. */
function latencyOf(register: number): number | undefined {
  const scale = bitsOf(register, 10, 3);
  return scale > LAST_SCALE ? undefined : bitsOf(register, 0, 10) * 32 ** scale;
}

export function describeLatencyTolerance({ maxSnoopNs, maxNoSnoopNs }: LatencyTolerance): string[] {
  return [
    "Latency Tolerance Reporting",
    `\t\tMax snoop latency: ${latencyText(maxSnoopNs)}`,
    `\t\tMax no snoop latency: ${latencyText(maxNoSnoopNs)}`,
  ];
}

function latencyText(latency: number | undefined): string {
  return latency === undefined ? "<error>" : `${latency}ns`;
}

import { bitsOf } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

const LAST_SCALE = 5;

/** Latency tolerance reporting (PCI Express Base 3.0, section 7.25). @useDeclaredType */
export type LatencyTolerance = ReturnType<typeof decodeLatencyTolerance>;

export function decodeLatencyTolerance(view: CapabilityView) {
  return {
    /** The longest latency of snooped requests, in nanoseconds; `undefined` for a reserved scale. */
    maxSnoopNs: latencyOf(view.read16(4)),
    /** The longest latency of other requests, in nanoseconds; `undefined` for a reserved scale. */
    maxNoSnoopNs: latencyOf(view.read16(6)),
  } as const;
}

/** 10 bits of value, and a scale in powers of 32. */
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

import { hex } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** Subsystem ids of a bridge, whose header has no room for them (PCI-to-PCI Bridge Architecture 1.2, section 3.2.5.13). */
export interface SubsystemIds {
  /** The board maker's. */
  readonly vendorId: number;
  readonly deviceId: number;
}

export function decodeSubsystemIds(view: CapabilityView): SubsystemIds {
  return { vendorId: view.read16(4), deviceId: view.read16(6) };
}

export function describeSubsystemIds({ vendorId, deviceId }: SubsystemIds): string[] {
  return [`Subsystem: Device [${hex(vendorId, 4)}:${hex(deviceId, 4)}]`];
}

import { CAN_DEVICES, CAN_IOMMU_TYPE, CAN_LEASE, CAN_MEMORY } from "./protocol.js";

/** What a primary can do beyond giving its container and groups. */
export interface Capabilities {
  /** It shares memory: `peer.memory()`. */
  readonly memory: boolean;
  /** It tells its container's IOMMU type: `peer.iommuType()`. */
  readonly iommuType: boolean;
  /** It tells which devices it has: `peer.devices()`. */
  readonly devices: boolean;
  /** It maps memory for its secondaries: `peer.mapDma()`. */
  readonly leases: boolean;
}

const BITS = { memory: CAN_MEMORY, iommuType: CAN_IOMMU_TYPE, devices: CAN_DEVICES, leases: CAN_LEASE };
const NAMES = Object.keys(BITS) as (keyof Capabilities)[];

/** Capabilities as the bits that go over the wire. */
export function encodeCapabilities(can: Capabilities): number {
  return NAMES.reduce((bits, name) => (can[name] ? bits | BITS[name] : bits), 0);
}

/** Capabilities from their bits; bits that this version does not know are left out. */
export function decodeCapabilities(bits: number): Capabilities {
  const has = (name: keyof Capabilities): boolean => (bits & BITS[name]) !== 0;
  return {
    memory: has("memory"),
    iommuType: has("iommuType"),
    devices: has("devices"),
    leases: has("leases"),
  };
}

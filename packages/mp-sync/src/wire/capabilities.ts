import { CAN_DEVICES, CAN_IOMMU_TYPE, CAN_LEASE, CAN_MEMORY } from "./protocol.js";

/** What a primary can do beyond giving its container and groups. */
export interface Capabilities {
  /** `peer.memory()` works. */
  readonly memory: boolean;
  /** `peer.iommuType()` works. */
  readonly iommuType: boolean;
  /** `peer.devices()` works. */
  readonly devices: boolean;
  /** `peer.mapDma()` works. */
  readonly leases: boolean;
}

const BITS = { memory: CAN_MEMORY, iommuType: CAN_IOMMU_TYPE, devices: CAN_DEVICES, leases: CAN_LEASE };
const NAMES = Object.keys(BITS) as (keyof Capabilities)[];

export function encodeCapabilities(can: Capabilities): number {
  return NAMES.reduce((bits, name) => (can[name] ? bits | BITS[name] : bits), 0);
}

/** Ignores bits that this version does not know. */
export function decodeCapabilities(bits: number): Capabilities {
  const has = (name: keyof Capabilities): boolean => (bits & BITS[name]) !== 0;
  return {
    memory: has("memory"),
    iommuType: has("iommuType"),
    devices: has("devices"),
    leases: has("leases"),
  };
}

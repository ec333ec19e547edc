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

/** Capabilities as the bits that go over the wire. */
export function encodeCapabilities({ memory, iommuType, devices, leases }: Capabilities): number {
  return (
    (memory ? CAN_MEMORY : 0) |
    (iommuType ? CAN_IOMMU_TYPE : 0) |
    (devices ? CAN_DEVICES : 0) |
    (leases ? CAN_LEASE : 0)
  );
}

/** Capabilities from their bits; bits that this version does not know are left out. */
export function decodeCapabilities(bits: number): Capabilities {
  return {
    memory: (bits & CAN_MEMORY) !== 0,
    iommuType: (bits & CAN_IOMMU_TYPE) !== 0,
    devices: (bits & CAN_DEVICES) !== 0,
    leases: (bits & CAN_LEASE) !== 0,
  };
}

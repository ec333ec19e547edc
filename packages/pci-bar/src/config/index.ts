/**
 * A PCI configuration space as data: headers, capabilities, and lspci's text. It needs bytes, but no device. The same
 * functions and classes as in `@vfio/pci-bar`.
 *
 * @packageDocumentation
 */
export { findMsixTable, listCapabilities, type MsixTable, type PciCapability } from "./capability-list.js";
export { ConfigPicture, type ConfigReader, type SizedConfig } from "./config-reader.js";
export { decodeConfig, type PciConfig } from "./pci-config.js";
export type { DescribeOptions } from "./describe.js";
export type { BitFlags } from "./bits.js";
export {
  walkExtendedCapabilities,
  walkStandardCapabilities,
  type CapabilityPlace,
  type CapabilityWalk,
} from "./capability-walk.js";
export type {
  Capability,
  CapabilityFields,
  CapabilityKind,
  DecodedCapability,
  UnknownCapability,
} from "./capability.js";
export {
  decodeHeader,
  type BridgeHeader,
  type CardbusHeader,
  type ClassCode,
  type DeviceHeader,
  type HeaderBase,
  type PciHeader,
  type RomBase,
  type SelfTest,
  type UnknownHeader,
} from "./header.js";
export type { BaseAddress } from "./bars.js";
export type { BridgeBuses, BridgeControlFlag, BridgeWindow, BridgeWindows } from "./bridge.js";
export type {
  ClearableStatusFlag,
  CommandFlag,
  DeviceSelect,
  SecondaryStatusFlag,
  StatusFlag,
} from "./command-status.js";
export type { AccessControl, AccessControlFlag } from "./capabilities/access-control.js";
export type { AddressTranslation } from "./capabilities/address-translation.js";
export type { AdvancedFeatures } from "./capabilities/advanced-features.js";
export type {
  CorrectableError,
  ErrorReporting,
  ErrorReportingFlag,
  RootErrors,
  UncorrectableError,
} from "./capabilities/error-reporting.js";
export type { L1Substate, L1Substates } from "./capabilities/l1-substates.js";
export type { LatencyTolerance } from "./capabilities/latency-tolerance.js";
export type { Msi } from "./capabilities/msi.js";
export type { BarPlace, Msix } from "./capabilities/msix.js";
export type { PowerManagement } from "./capabilities/power-management.js";
export type { RoutingId, RoutingIdFlag } from "./capabilities/routing-id.js";
export type { SerialNumber } from "./capabilities/serial-number.js";
export type { SrIov, SrIovControlFlag } from "./capabilities/sr-iov.js";
export type { SubsystemIds } from "./capabilities/subsystem-ids.js";
export type {
  DesignatedVendorSpecific,
  VendorSpecific,
  VendorSpecificExtended,
} from "./capabilities/vendor-specific.js";
export type {
  ExpressControl,
  ExpressDevice,
  ExpressStatus,
  ExpressSupport,
} from "./capabilities/pci-express/device.js";
export type { ExpressControl2, ExpressDevice2, ExpressSupport2 } from "./capabilities/pci-express/device2.js";
export type {
  AspmState,
  ExpressLink,
  LinkControl,
  LinkRate,
  LinkStatus,
  LinkSupport,
} from "./capabilities/pci-express/link.js";
export type {
  ExpressLink2,
  LinkControl2,
  LinkStatus2,
  LinkSupport2,
} from "./capabilities/pci-express/link2.js";
export type { PciExpress } from "./capabilities/pci-express/pci-express.js";
export type { PortType } from "./capabilities/pci-express/port-type.js";
export type { ExpressRoot, RootControl } from "./capabilities/pci-express/root.js";
export type {
  ExpressSlot,
  Indicator,
  SlotControl,
  SlotStatus,
  SlotSupport,
} from "./capabilities/pci-express/slot.js";

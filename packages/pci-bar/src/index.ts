/**
 * The PCI side of a VFIO device: BARs with exact-width register access, config space, interrupts, bus mastering.
 *
 * @packageDocumentation
 */
export { PciDevice } from "./device/pci-device.js";
export {
  PciRegion,
  readRegionInfo,
  type MapRegionOptions,
  type OpenRegionOptions,
  type MsixTablePolicy,
  type RegionContext,
} from "./regions/pci-region.js";
export { OpenRegion } from "./regions/open-region.js";
export type { PollOptions, PollSyncOptions } from "./regions/poll-mask.js";
export type {
  MappedWindow,
  MappingWindow,
  RegionParts,
  RegionShape,
  SharedRegion,
} from "./regions/region-parts.js";
export type { RegionAccess, RegionFile, SharedAccess, SharedRegionFile } from "./regions/region-access.js";
export {
  defineRegisters,
  formatDump,
  RegisterTable,
  type DumpedRegister,
  type PlacingOptions,
  type RegisterDeclarations,
  type RegisterRegion,
  type RegisterSet,
} from "./registers/index.js";
export type { ConfigAccess } from "./config-space/config-access.js";
export { ConfigSpace } from "./config-space/config-space.js";
export {
  type DeviceCalls,
  type RegionWindow,
  type SharedFile,
  type SharedFileData,
} from "@vfio/ioctl-native";
export {
  decodeRegionInfo,
  type MappableArea,
  type RegionInfo,
  type VfioDevice,
} from "@vfio/ioctl-native/vfio";
export { CommandRegister, type SwitchableCommandFlag } from "./config-space/command-register.js";
export { StatusRegister } from "./config-space/status-register.js";
export {
  ConfigPicture,
  decodeConfig,
  decodeHeader,
  findMsixTable,
  listCapabilities,
  walkExtendedCapabilities,
  walkStandardCapabilities,
  type CommandFlag,
  type ConfigReader,
  type MsixTable,
  type PciCapability,
  type PciConfig,
} from "./config/index.js";
export { Interrupts, type InterruptOptions } from "./interrupts/interrupts.js";
export {
  InterruptVector,
  type BusyWait,
  type InterruptListener,
  type InterruptWait,
  type ListenOptions,
} from "./interrupts/interrupt-vector.js";
export type { PowerState } from "./device/power-state.js";
export type { ResetAsyncOptions, ResetOptions } from "./device/reset.js";
export type { DeviceRole, PciDeviceOptions } from "./device/role.js";
export type { HotResetDevice } from "@vfio/ioctl-native/vfio";
export {
  chooseInterrupt,
  readInterruptInfo,
  type InterruptInfo,
  type InterruptType,
} from "./interrupts/interrupt-type.js";

/**
 * What is PCI about a VFIO device: BARs with exact-width register access, config space, interrupts, bus mastering.
 *
 * @packageDocumentation
 */
export { PciDevice } from "./pci-device.js";
export { PciRegion, type MapRegionOptions, type MsixTablePolicy, type RegionContext } from "./pci-region.js";
export { OpenRegion } from "./open-region.js";
export type { PollOptions, PollSyncOptions } from "./poll-mask.js";
export type { MappedWindow, RegionFile, RegionShape } from "./region-backend.js";
export type { SharedFile, SharedFileData } from "./shared-file.js";
export type { MappingWindow, RegionParts, SharedRegion, SharedRegionFile } from "./region-parts.js";
export { defineRegisters, RegisterTable, type PlacingOptions } from "./register-table.js";
export { formatDump, type DumpedRegister, type DumpOptions, type SkipReason } from "./register-dump.js";
export type { RegisterRegion } from "./raw-register.js";
export type { AnyFieldValue } from "./register-field.js";
export type { FieldLayout, RegisterLayout } from "./register-layout.js";
export type {
  AccessOf,
  DeclaresAccess,
  AnyField,
  BoundRegister,
  FieldAccess,
  FieldAccessOf,
  FieldAccessor,
  FieldDeclaration,
  FieldReading,
  FieldValue,
  FieldWriting,
  FlagField,
  Modifying,
  NamedField,
  NumberField,
  RawValue,
  Readable,
  Reading,
  RegisterAccess,
  RegisterArrayDeclaration,
  RegisterDeclaration,
  RegisterDeclarations,
  RegisterList,
  RegisterPlace,
  RegisterSet,
  RegisterWithFields,
  ValuesRead,
  ValuesWritten,
  WideField,
  WaitForOptions,
  WaitForSyncOptions,
  Waiting,
  WideRegister,
  WithFields,
  Writable,
  Writing,
} from "./register-declaration.js";
export { ConfigSpace } from "./config-space.js";
export { decodeRegionInfo, readRegionInfo, type MappableArea, type RegionInfo } from "./region.js";
export { findMsixTable, listCapabilities, type MsixTable, type PciCapability } from "./capabilities.js";
export { CommandRegister, type SwitchableCommandFlag } from "./command-register.js";
export { StatusRegister } from "./status-register.js";
export * from "./config/index.js";
export { Interrupts, type InterruptOptions } from "./interrupts.js";
export {
  InterruptVector,
  type BusyWait,
  type InterruptListener,
  type InterruptWait,
  type ListenOptions,
} from "./interrupt-vector.js";
export type { PowerState } from "./power-state.js";
export type { ResetAsyncOptions, ResetOptions } from "./reset.js";
export type { HotResetDevice } from "./hot-reset.js";
export {
  chooseInterrupt,
  readInterruptInfo,
  type InterruptInfo,
  type InterruptType,
} from "./interrupt-type.js";
export type { VfioDevice } from "./vfio-device.js";

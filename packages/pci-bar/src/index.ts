/**
 * What is PCI about a VFIO device: BARs with exact-width register access, config space, interrupts, bus mastering.
 *
 * @packageDocumentation
 */
export { PciDevice } from "./pci-device.js";
export { Bar, type BarContext } from "./bar.js";
export { MappedBar } from "./mapped-bar.js";
export { ConfigSpace } from "./config-space.js";
export { decodeRegionInfo, readRegionInfo, type MappableArea, type RegionInfo } from "./region.js";
export { findMsixTable, listCapabilities, type MsixTable, type PciCapability } from "./capabilities.js";
export { CommandRegister, type SwitchableCommandFlag } from "./command-register.js";
export { StatusRegister } from "./status-register.js";
export * from "./config/index.js";
export { Interrupts, type InterruptOptions } from "./interrupts.js";
export {
  InterruptVector,
  type InterruptListener,
  type InterruptWait,
  type ListenOptions,
} from "./interrupt-vector.js";
export type { PowerState } from "./power-state.js";
export type { ResetOptions } from "./reset.js";
export type { HotResetDevice } from "./hot-reset.js";
export {
  chooseInterrupt,
  readInterruptInfo,
  type InterruptInfo,
  type InterruptType,
} from "./interrupt-type.js";
export type { VfioDevice } from "./vfio-device.js";

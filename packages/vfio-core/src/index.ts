/**
 * VFIO's container, IOMMU group and device: from a PCI address to an open device fd, each step checked and every
 * failure named with its remedy.
 *
 * @packageDocumentation
 */
export { normalizeBdf } from "./bdf.js";
export {
  describePciDevice,
  devicesOfGroup,
  iommuGroupExists,
  iommuGroupOf,
  listPciDevices,
  type PciDeviceInfo,
} from "./topology.js";
export { culpritsOf } from "./viability.js";
export { bindDriver, bindDriverAsync, DriverBinding } from "./bind.js";
export { Container, type ContainerOptions, type IommuType } from "./container.js";
export { Group } from "./group.js";
export type { GroupStatus } from "./group-status.js";
export { Device, type DeviceInfo, type OpenDeviceOptions } from "./device.js";

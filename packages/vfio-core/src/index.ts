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
export { bindDriver } from "./bind.js";
export { Container, type ContainerOptions, type IommuType } from "./container.js";
export { Group, type GroupStatus } from "./group.js";
export { Device, type DeviceInfo, type OpenDeviceOptions } from "./device.js";

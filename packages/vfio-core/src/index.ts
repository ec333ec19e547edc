/**
 * VFIO's container, IOMMU group and device: from a PCI address to an open device fd, each step checked and every
 * failure named with its remedy.
 *
 * @packageDocumentation
 */
export {
  describePciDevice,
  devicesOfGroup,
  iommuGroupExists,
  iommuGroupOf,
  listPciDevices,
  normalizeBdf,
  type PciDeviceInfo,
} from "@vfio/ioctl-native";
export { culpritsOf } from "./group/viability.js";
export { bindDriver, bindDriverAsync, DriverBinding } from "./binding/bind.js";
export { Container, type ContainerOptions, type IommuType } from "./group/container.js";
export { Group } from "./group/group.js";
export type { GroupStatus } from "./group/group-status.js";
export { Device, type DeviceInfo, type OpenDeviceOptions } from "./device/device.js";

/**
 * VFIO's container, IOMMU group and device: from a PCI address to an open device fd, each step checked, each failure
 * with its remedy.
 *
 * @packageDocumentation
 */
export { describePciDevice } from "@vfio/ioctl-native/internal";
export {
  devicesOfGroup,
  iommuGroupExists,
  iommuGroupOf,
  listPciDevices,
  normalizeBdf,
  type PciDeviceInfo,
} from "@vfio/ioctl-native";
export { culpritsOf } from "./group/viability.js";
export { bindDriver, bindDriverAsync, DriverBinding } from "./binding/bind.js";
export { Container, type ContainerOptions } from "./group/container.js";
export { Group } from "./group/group.js";
export { Device, type OpenDeviceOptions } from "./device/device.js";
export type { DeviceInfo, GroupStatus, IommuType } from "@vfio/ioctl-native/vfio";

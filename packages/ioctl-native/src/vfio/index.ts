export type { ContextOfErrno } from "./ask.js";
export { checkExtension, getApiVersion, setIommu, tryIommu } from "./container.js";
export { deviceCallsOf, type VfioDevice } from "./device-calls.js";
export { getDeviceInfo, resetDevice, resetDeviceAsync, type DeviceInfo } from "./device.js";
export {
  getGroupDeviceFd,
  getGroupStatus,
  setGroupContainer,
  unsetGroupContainer,
  type GroupStatus,
} from "./group.js";
export {
  getHotResetInfo,
  hotResetDevice,
  hotResetDeviceAsync,
  type HotResetDevice,
  type HotResetInfo,
} from "./hot-reset.js";
export { decodeIommuInfo, readIommuInfo, type IommuInfo } from "./iommu-info.js";
export { IOMMU_TYPES, type IommuType } from "./iommu-types.js";
export { getIrqInfo, setIrqs, trySetIrqs, type IrqInfo, type IrqSet } from "./irqs.js";
export { DMA_MAP_FLAGS, Type1Space } from "./type1-space.js";
export { decodeRegionInfo, getRegionInfo, type MappableArea, type RegionInfo } from "./region.js";

import { deviceCallsOf, type DeviceCalls, type RegionInfo, type VfioDevice } from "@vfio/ioctl-native";

/**
 * Asks for a region (`VFIO_DEVICE_GET_REGION_INFO`).
 * @param index 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA.
 * @throws VfioSystemError EINVAL for an index the device does not have; for VGA that is normal; VfioRangeError
 * `ERR_VFIO_ARGUMENT`, `ERR_VFIO_STRUCT_VALUE`.
 */
export function readRegionInfo(device: DeviceCalls | VfioDevice, index: number): RegionInfo {
  return deviceCallsOf(device).region(index);
}

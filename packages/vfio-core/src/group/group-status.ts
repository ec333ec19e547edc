import type { HasFd } from "@vfio/ioctl-native";
import { getGroupStatus, type GroupStatus } from "@vfio/ioctl-native/vfio";

/** @throws VfioSystemError. */
export function readGroupStatus(group: HasFd, number: number): GroupStatus {
  return getGroupStatus(group, () => ({ what: `cannot read the status of IOMMU group ${number}` }));
}

import { getGroupStatus, type GroupStatus, type HasFd } from "@vfio/ioctl-native";

/** @throws VfioSystemError. */
export function readGroupStatus(group: HasFd, number: number): GroupStatus {
  return getGroupStatus(group, () => ({ what: `cannot read the status of IOMMU group ${number}` }));
}

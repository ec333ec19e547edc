import { ioctl, vfioConstants, vfioIoctls, vfioStructs, type HasFd } from "@vfio/ioctl-native";

/** What the kernel says of a group (`VFIO_GROUP_GET_STATUS`). */
export interface GroupStatus {
  /** Every device in the group is bound to VFIO or to nothing. */
  readonly viable: boolean;
  /** The group is in a container. */
  readonly inContainer: boolean;
}

/** Asks the kernel. Throws VfioSystemError. */
export function readGroupStatus(group: HasFd, number: number): GroupStatus {
  const buffer = vfioStructs.vfio_group_status.encode({ argsz: vfioStructs.vfio_group_status.bytes });
  ioctl(group, vfioIoctls.VFIO_GROUP_GET_STATUS, buffer, () => ({
    what: `cannot read the status of IOMMU group ${number}`,
  }));
  const { flags } = vfioStructs.vfio_group_status.decode(buffer);
  return {
    viable: (flags & vfioConstants.VFIO_GROUP_FLAGS_VIABLE) !== 0,
    inContainer: (flags & vfioConstants.VFIO_GROUP_FLAGS_CONTAINER_SET) !== 0,
  };
}

import { fdOf } from "../errors/argument-error.js";
import type { HasFd } from "../files/fd.js";
import { ioctl } from "../kernel/ioctl.js";
import { ask, type ContextOfErrno } from "./ask.js";
import { VFIO_GROUP_FLAGS_CONTAINER_SET, VFIO_GROUP_FLAGS_VIABLE } from "./constants.js";
import {
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_GROUP_UNSET_CONTAINER,
} from "./ioctls.js";

/** The answer of `VFIO_GROUP_GET_STATUS`. */
export interface GroupStatus {
  /** Every device in the group is bound to VFIO or to nothing. */
  readonly viable: boolean;
  readonly inContainer: boolean;
}

/** `VFIO_GROUP_GET_STATUS`. */
export function getGroupStatus(group: HasFd, context?: ContextOfErrno): GroupStatus {
  const { flags } = ask(group, VFIO_GROUP_GET_STATUS, {}, context);
  return {
    viable: (flags & VFIO_GROUP_FLAGS_VIABLE) !== 0,
    inContainer: (flags & VFIO_GROUP_FLAGS_CONTAINER_SET) !== 0,
  };
}

/** Puts a group into a container (`VFIO_GROUP_SET_CONTAINER`). */
export function setGroupContainer(group: HasFd, container: HasFd, context?: ContextOfErrno): void {
  ioctl(group, VFIO_GROUP_SET_CONTAINER, fdOf(container), context);
}

/** Takes a group out of its container (`VFIO_GROUP_UNSET_CONTAINER`); none of its devices may be open. */
export function unsetGroupContainer(group: HasFd, context?: ContextOfErrno): void {
  ioctl(group, VFIO_GROUP_UNSET_CONTAINER, 0, context);
}

/**
 * Opens a device of a group, and returns the new fd (`VFIO_GROUP_GET_DEVICE_FD`).
 * @param name the PCI address, followed by a virtual function's token if needed.
 */
export function getGroupDeviceFd(group: HasFd, name: string, context?: ContextOfErrno): number {
  return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name, context);
}

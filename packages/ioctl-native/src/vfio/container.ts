import type { HasFd } from "../files/fd.js";
import { ioctl, tryIoctl } from "../kernel/ioctl.js";
import type { ContextOfErrno } from "./ask.js";
import { VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU } from "./constants.js";
import { VFIO_CHECK_EXTENSION, VFIO_GET_API_VERSION, VFIO_IOMMU_GET_INFO, VFIO_SET_IOMMU } from "./ioctls.js";
import { vfio_iommu_type1_info } from "./structs.js";

/** The IOMMU's mode: `type1v2` unmaps only whole mappings; `type1` may split them. */
export type IommuType = "type1v2" | "type1";

/** The kernel's number of each IOMMU type, best first. */
export const IOMMU_TYPES: Readonly<Record<IommuType, number>> = {
  type1v2: VFIO_TYPE1v2_IOMMU,
  type1: VFIO_TYPE1_IOMMU,
};

/** VFIO's API version, always 0 so far (`VFIO_GET_API_VERSION`). */
export function getApiVersion(container: HasFd, context?: ContextOfErrno): number {
  return ioctl(container, VFIO_GET_API_VERSION, 0, context);
}

/** Above 0 if the kernel has an extension (`VFIO_CHECK_EXTENSION`). */
export function checkExtension(container: HasFd, extension: number, context?: ContextOfErrno): number {
  return ioctl(container, VFIO_CHECK_EXTENSION, extension, context);
}

/** Sets the IOMMU's mode (`VFIO_SET_IOMMU`): possible only once a group is in the container, and only once. */
export function setIommu(container: HasFd, type: IommuType, context?: ContextOfErrno): void {
  ioctl(container, VFIO_SET_IOMMU, IOMMU_TYPES[type], context);
}

/**
 * Whether the container has an IOMMU (`VFIO_IOMMU_GET_INFO`): 0, or `-errno`. Without a group it has none, has
 * forgotten all mappings, and answers EINVAL (ENODEV where iommufd stands in for VFIO); ENOTTY for a file that is no
 * container.
 */
export function tryIommu(container: HasFd): number {
  return tryIoctl(container, VFIO_IOMMU_GET_INFO, vfio_iommu_type1_info.encode());
}

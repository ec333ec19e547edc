import { openFile, ioctl, type Fd } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { readlinkSync } from "node:fs";
import path from "node:path";

const EDU = "0000:00:10.0";

/** The device node of the edu device's group. */
export function groupNode(): string {
  return `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${EDU}/iommu_group`))}`;
}

/**
 * Somebody else's container with the edu device's group in it: made with plain ioctls, since this package must work
 * with whatever container it is given.
 */
export function foreignContainer(
  iommuType: number = vfioConstants.VFIO_TYPE1v2_IOMMU,
): Disposable & { container: Fd } {
  const group = openFile(
    `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${EDU}/iommu_group`))}`,
  );
  const container = openFile("/dev/vfio/vfio");
  ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
  ioctl(container, vfioIoctls.VFIO_SET_IOMMU, iommuType);
  return {
    container,
    [Symbol.dispose]() {
      group.close();
      container.close();
    },
  };
}

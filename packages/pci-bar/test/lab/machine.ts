import { readlinkSync } from "node:fs";
import path from "node:path";
import { Fd, ioctl, openFile, vfioConstants, vfioIoctls } from "@vfio/ioctl-native";
import { PciDevice, type VfioDevice } from "../../src/index.js";

export const EDU = "0000:00:10.0";
export const NVME = "0000:00:11.0";
export const E1000E = "0000:00:12.0";
export const TEST_DEVICE = "0000:00:14.0";
export const EDU_NARROW = "0000:00:15.0";
export const SRIOV_NVME = "0000:00:17.0";
export const BRIDGED_EDU = "0000:01:01.0";

/** An open device of the lab, made with plain ioctls: this package must work with whatever fd it is given. */
export function openDevice(bdf: string): Disposable & { device: VfioDevice; pci: PciDevice } {
  const group = openFile(
    `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`))}`,
  );
  const container = openFile("/dev/vfio/vfio");
  ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
  ioctl(container, vfioIoctls.VFIO_SET_IOMMU, vfioConstants.VFIO_TYPE1v2_IOMMU);
  const fd = new Fd(ioctl(group, vfioIoctls.VFIO_GROUP_GET_DEVICE_FD, bdf), bdf);
  const device: VfioDevice = {
    bdf,
    get fd() {
      return fd.fd;
    },
  };
  const pci = new PciDevice(device);
  return {
    device,
    pci,
    [Symbol.dispose]() {
      pci.close();
      fd.close();
      group.close();
      container.close();
    },
  };
}

import { readlinkSync } from "node:fs";
import path from "node:path";
import { ioctl, isVfioError, openFile, type Fd, type HasFd } from "@vfio/ioctl-native";
import { readIommuInfo, vfioConstants, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { expect } from "vitest";

/** Two devices of the lab, each in a group of its own. */
export const EDU = "0000:00:10.0";
export const NVME = "0000:00:11.0";

/** The number of a device's IOMMU group. */
export function groupOf(bdf: string): number {
  return Number(path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`)));
}

/**
 * Waits until nobody has a group open. Of a killed process, the kernel closes the fds that it had sent and nobody had
 * taken a moment after its end is reported.
 */
export async function groupIsFree(number: number): Promise<void> {
  await expect.poll(() => stateOf(number), { timeout: 30_000 }).toBe("free");
}

function stateOf(number: number): "free" | "EBUSY" {
  try {
    openFile(`/dev/vfio/${number}`).close();
    return "free";
  } catch (error) {
    if (isVfioError(error) && error.code === "EBUSY") return error.code;
    throw error;
  }
}

/** A container with the groups of some devices in it, made with plain ioctls. */
export class Opened implements Disposable {
  readonly container: Fd & { readonly iommuType: number };
  readonly groups: readonly (Fd & { readonly number: number })[];

  constructor(...devices: readonly string[]) {
    const iommuType = vfioConstants.VFIO_TYPE1v2_IOMMU;
    this.container = Object.assign(openFile("/dev/vfio/vfio"), { iommuType });
    this.groups = devices
      .map(groupOf)
      .map((number) => Object.assign(openFile(`/dev/vfio/${number}`), { number }));
    for (const group of this.groups) ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, this.container.fd);
    ioctl(this.container, vfioIoctls.VFIO_SET_IOMMU, iommuType);
  }

  [Symbol.dispose](): void {
    for (const file of [...this.groups, this.container]) file.close();
  }
}

/** How many mappings a container still takes: 65535 when there is none. */
export function mappingsLeft(container: HasFd): number {
  return readIommuInfo(container).mappingsLeft ?? NaN;
}

import { VfioError } from "@vfio/ioctl-native";

/** The primary knows no IOMMU type: it has attached no group. */
export function noDeviceError(directory: string): VfioError {
  return new VfioError(
    "ERR_VFIO_DPDK_NO_DEVICE",
    `the DPDK primary in ${directory} has no VFIO device, and so no IOMMU type`,
    { hint: "Bind the device to vfio-pci and let the primary use it (its option -a), before it is joined" },
  );
}

export function containerRefused(directory: string): VfioError {
  return new VfioError(
    "ERR_VFIO_CONTAINER_REFUSED",
    `the DPDK primary in ${directory} does not share its container (ERR)`,
    { hint: "It runs without VFIO: its own log says why" },
  );
}

export function groupRefused(result: "NO_FD" | "ERR", number: number, directory: string): VfioError {
  if (result === "NO_FD") {
    return new VfioError(
      "ERR_VFIO_GROUP_NO_FD",
      `the DPDK primary in ${directory} has no fd for group ${number}: no device of it is bound to VFIO`,
      { hint: `Bind the group's devices to vfio-pci, and let the primary use one (its option -a)` },
    );
  }
  return new VfioError(
    "ERR_VFIO_GROUP_REFUSED",
    `the DPDK primary in ${directory} failed to share group ${number} (ERR)`,
    { hint: "Its own log says why; ls /sys/kernel/iommu_groups lists the groups" },
  );
}

import { devicesOfGroup, VfioError, type PciDeviceInfo } from "@vfio/ioctl-native";
import { contextOr, isVfioDriver } from "@vfio/ioctl-native/internal";

/**
 * Drivers that leave their device's DMA to userspace (`driver_managed_dma`), so that VFIO may have the group. pci-stub
 * and the port driver count, which is easy to get wrong.
 */
const HARMLESS_DRIVERS = new Set(["pci-stub", "pcieport", "pci-pf-stub"]);

/** The devices whose kernel driver keeps a group from VFIO. @throws as {@link devicesOfGroup}. */
export function culpritsOf(group: number): PciDeviceInfo[] {
  return devicesOfGroup(group).filter(isCulprit);
}

/** True for a driver whose devices may be in a group of VFIO's. */
export function leavesDmaToUser(driver: string): boolean {
  return HARMLESS_DRIVERS.has(driver) || isVfioDriver(driver);
}

function isCulprit({ driver }: PciDeviceInfo): boolean {
  return driver !== undefined && !leavesDmaToUser(driver);
}

/** Lists every device with its driver, the culprits marked, and what to type. */
export function notViableError(group: number): VfioError {
  const devices = contextOr([], () => devicesOfGroup(group));
  const members = devices.map(
    (device) => `${device.bdf} (${device.driver ?? "no driver"}${isCulprit(device) ? ", in the way" : ""})`,
  );
  const commands = devices
    .filter(isCulprit)
    .map(({ bdf }) => `echo ${bdf} > /sys/bus/pci/devices/${bdf}/driver/unbind`);
  const what = `IOMMU group ${group} is not viable: every device in it must be bound to VFIO or to nothing`;
  return new VfioError(
    "ERR_VFIO_GROUP_NOT_VIABLE",
    members.length > 0 ? `${what}. It holds ${members.join(", ")}` : what,
    {
      hint: commands.length > 0 ? `Unbind: ${commands.join("; ")}` : "`lspci -k` shows who uses its devices",
    },
  );
}

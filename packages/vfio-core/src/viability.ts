import { VfioError } from "@vfio/ioctl-native";
import { devicesOfGroup, type PciDeviceInfo } from "./topology.js";

/**
 * Drivers that leave the DMA of their device to userspace, so that the kernel lets VFIO have the group (they set
 * `driver_managed_dma`). pci-stub and the port driver count, which is easy to get wrong.
 */
const HARMLESS_DRIVERS = new Set(["vfio-pci", "pci-stub", "pcieport", "pci-pf-stub"]);

/** The devices of a group whose kernel driver keeps the group from VFIO. */
export function culpritsOf(group: number): PciDeviceInfo[] {
  return devicesOfGroup(group).filter(({ driver }) => driver !== undefined && !isHarmless(driver));
}

function isHarmless(driver: string): boolean {
  return HARMLESS_DRIVERS.has(driver) || driver.endsWith("vfio-pci") || driver.endsWith("vfio_pci");
}

/** The error for a group that is not viable: every device with its driver, the culprits marked, and what to type. */
export function notViableError(group: number): VfioError {
  const culprits = culpritsOf(group).map(({ bdf }) => bdf);
  const members = devicesOfGroup(group).map(
    ({ bdf, driver }) => `${bdf} (${driver ?? "no driver"}${culprits.includes(bdf) ? ", in the way" : ""})`,
  );
  const commands = culprits.map((bdf) => `echo ${bdf} > /sys/bus/pci/devices/${bdf}/driver/unbind`);
  return new VfioError(
    "ERR_VFIO_GROUP_NOT_VIABLE",
    `IOMMU group ${group} is not viable: every device in it must be bound to VFIO or to nothing. It holds ${members.join(", ")}`,
    {
      hint: culprits.length > 0 ? `Unbind: ${commands.join("; ")}` : "`lspci -k` shows who uses its devices",
    },
  );
}

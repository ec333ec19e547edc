import { readLinkName, VfioError, writeSysfs } from "@vfio/ioctl-native";
import { describePciDevice } from "./topology.js";

/**
 * Gives a device to a kernel driver (usually `vfio-pci`) or, with `undefined`, to none. Needs root.
 *
 * Works through `driver_override`, so no other device of the same kind is touched. The former driver's unbind
 * stops whatever used the device.
 * @returns the driver it had before, to be given back later with the same function.
 * @throws VfioError `ERR_VFIO_BIND_FAILED` if the driver did not take it; VfioSystemError without the rights.
 */
export function bindDriver(address: string, driver: string | undefined): string | undefined {
  const device = describePciDevice(address);
  const folder = `/sys/bus/pci/devices/${device.bdf}`;
  if (device.driver === driver) return device.driver;

  // An empty line clears the override; without it the old driver would take the device back at the next probe.
  writeSysfs(`${folder}/driver_override`, `${driver ?? ""}\n`);
  if (device.driver !== undefined) writeSysfs(`${folder}/driver/unbind`, device.bdf);
  if (driver !== undefined) writeSysfs("/sys/bus/pci/drivers_probe", device.bdf);

  const now = readLinkName(`${folder}/driver`);
  if (now === driver) return device.driver;
  throw new VfioError(
    "ERR_VFIO_BIND_FAILED",
    `${device.bdf} went to ${now ?? "no driver"} instead of ${driver ?? "none"}`,
    {
      hint:
        driver === undefined ? "Something bound it again at once" : `Is the driver there? modprobe ${driver}`,
    },
  );
}

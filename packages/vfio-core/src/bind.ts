import { readLinkName, VfioError, writeSysfs } from "@vfio/ioctl-native";
import { describePciDevice } from "./topology.js";

/**
 * Gives a device to a kernel driver (usually `vfio-pci`) or, with `undefined`, to none. Needs root.
 *
 * Works through `driver_override`, so no other device of the same kind is touched. The former driver's unbind
 * stops whatever used the device.
 * @returns the driver it had before, to be given back later with the same function; after a failure it has it again.
 * @throws VfioError `ERR_VFIO_BIND_FAILED` if the driver did not take it; VfioSystemError without the rights.
 * @example
 * ```ts
 * // needs a device, and root
 * import { bindDriver } from "@vfio/vfio-core";
 *
 * const former = bindDriver("0000:03:00.0", "vfio-pci");
 * // …
 * bindDriver("0000:03:00.0", former);
 * ```
 */
export function bindDriver(address: string, driver: string | undefined): string | undefined {
  const device = describePciDevice(address);
  if (device.driver === driver) return device.driver;
  rebind(device.bdf, device.driver, driver);
  const now = driverOf(device.bdf);
  if (now === driver) return device.driver;
  if (device.driver !== undefined) rebind(device.bdf, now, device.driver);
  throw bindError(device.bdf, driver, now);
}

function rebind(bdf: string, from: string | undefined, to: string | undefined): void {
  const folder = `/sys/bus/pci/devices/${bdf}`;
  // An empty line clears the override; without it the old driver would take the device back at the next probe.
  writeSysfs(`${folder}/driver_override`, `${to ?? ""}\n`);
  if (from !== undefined) writeSysfs(`${folder}/driver/unbind`, bdf);
  if (to !== undefined) writeSysfs("/sys/bus/pci/drivers_probe", bdf);
}

function driverOf(bdf: string): string | undefined {
  return readLinkName(`/sys/bus/pci/devices/${bdf}/driver`);
}

function bindError(bdf: string, wanted: string | undefined, got: string | undefined): VfioError {
  return new VfioError(
    "ERR_VFIO_BIND_FAILED",
    `${bdf} went to ${got ?? "no driver"} instead of ${wanted ?? "none"}`,
    {
      hint:
        wanted === undefined ? "Something bound it again at once" : `Is the driver there? modprobe ${wanted}`,
    },
  );
}

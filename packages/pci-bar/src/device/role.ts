import { VfioError } from "@vfio/ioctl-native";
import { argumentError, checkOptions } from "@vfio/ioctl-native/internal";

/** Whether this process controls the device, or uses one that another process controls. */
export type DeviceRole = "primary" | "secondary";

/** Options of {@link PciDevice}. */
export interface PciDeviceOptions {
  /**
   * `"secondary"` in a process that shares the device with its primary: it uses registers and memory; calls that
   * control the device throw VfioError `ERR_VFIO_SECONDARY`: resets, interrupts, the command register, the power state.
   * The kernel keeps one state of these for all processes. Default `"primary"`.
   */
  readonly role?: DeviceRole;
}

export function roleOf(options: PciDeviceOptions): DeviceRole {
  checkOptions("the options of a PciDevice", options);
  const { role = "primary" } = options;
  if (["primary", "secondary"].includes(role)) return role;
  throw argumentError("role", "primary or secondary", role);
}

export function checkSteers(role: DeviceRole, what: string, device: string): void {
  if (role === "primary") return;
  throw new VfioError("ERR_VFIO_SECONDARY", `a secondary cannot ${what} of ${device}`, {
    hint: "Let the primary do it: the kernel has one state of the device for all processes",
  });
}

import type { HasFd } from "../files/fd.js";
import { ioctl, ioctlAsync } from "../kernel/ioctl.js";
import { ask, type ContextOfErrno } from "./ask.js";
import { VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET } from "./constants.js";
import { VFIO_DEVICE_GET_INFO, VFIO_DEVICE_RESET } from "./ioctls.js";

/** The answer of `VFIO_DEVICE_GET_INFO`. */
export interface DeviceInfo {
  /** By `VFIO_DEVICE_RESET`, on its own. */
  readonly canReset: boolean;
  /** True for a PCI device: its regions and interrupts have PCI's meaning. */
  readonly isPci: boolean;
  /** Highest region index plus 1: 9 for PCI (BAR0–5, ROM, config, VGA). */
  readonly regions: number;
  /** Highest interrupt index plus 1: 5 for PCI (INTx, MSI, MSI-X, ERR, REQ). */
  readonly interrupts: number;
}

/** `VFIO_DEVICE_GET_INFO`. */
export function getDeviceInfo(device: HasFd, context?: ContextOfErrno): DeviceInfo {
  const { flags, num_regions, num_irqs } = ask(device, VFIO_DEVICE_GET_INFO, {}, context);
  return {
    canReset: (flags & VFIO_DEVICE_FLAGS_RESET) !== 0,
    isPci: (flags & VFIO_DEVICE_FLAGS_PCI) !== 0,
    regions: num_regions,
    interrupts: num_irqs,
  };
}

/** Resets a device (`VFIO_DEVICE_RESET`). **Blocks**, up to seconds. */
export function resetDevice(device: HasFd, context?: ContextOfErrno): void {
  ioctl(device, VFIO_DEVICE_RESET, 0, context);
}

/** As {@link resetDevice}, off the event loop. */
export async function resetDeviceAsync(device: HasFd, context?: ContextOfErrno): Promise<void> {
  await ioctlAsync(device, VFIO_DEVICE_RESET, 0, context);
}

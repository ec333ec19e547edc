import type { HasFd } from "@vfio/ioctl-native";

/** An open VFIO device, wherever its fd came from. */
export interface VfioDevice extends HasFd {
  /** Its PCI address, for error messages. */
  readonly bdf?: string;
  /** Forbids closing the device while BARs are mapped or interrupts set up: the kernel would keep it busy. */
  hold?(reason: string): Disposable;
}

/** The same device for who may use it only as long as `check` does not throw. */
export function checkedDevice(device: VfioDevice, check: () => void): VfioDevice {
  return {
    ...(device.bdf === undefined ? {} : { bdf: device.bdf }),
    get fd() {
      check();
      return device.fd;
    },
  };
}

/** How messages call a device. */
export function nameOf(device: VfioDevice): string {
  return device.bdf ?? `the PCI device with fd ${device.fd}`;
}

import {
  errnoOf,
  Fd,
  Holds,
  ioctl,
  vfioConstants,
  VfioError,
  vfioIoctls,
  vfioStructs,
  type HasFd,
  type IoctlContext,
  printAs,
  fdState,
} from "@vfio/ioctl-native";
import { describePciDevice } from "./topology.js";

/** What the kernel says of an open device (`VFIO_DEVICE_GET_INFO`). */
export interface DeviceInfo {
  /** The device can be reset on its own (`VFIO_DEVICE_RESET`). */
  readonly canReset: boolean;
  /** It is a PCI device: its regions and interrupts have PCI's meaning. */
  readonly isPci: boolean;
  /** Highest region index plus 1: 9 for PCI (BAR0–5, ROM, config, VGA). */
  readonly regions: number;
  /** Highest interrupt index plus 1: 5 for PCI (INTx, MSI, MSI-X, ERR, REQ). */
  readonly interrupts: number;
}

/** Options of `Group.openDevice`. */
export interface OpenDeviceOptions {
  /** The UUID that the owner of an SR-IOV physical function has set for its virtual functions. */
  readonly vfToken?: string;
}

/** An open VFIO device. Everything PCI about it (BARs, config space, interrupts) is `@vfio/pci-bar`'s. */
export class Device implements HasFd, Disposable {
  static {
    printAs(Device, (it) => ({ bdf: it.bdf, ...fdState(it.#fd) }));
  }

  /** Its full PCI address, e.g. `0000:00:10.0`. */
  readonly bdf: string;
  /** What the kernel said of it when it was opened. */
  readonly info: DeviceInfo;
  readonly #fd: Fd;
  readonly #onClose: (device: Device) => void;
  readonly #holds = new Holds();

  private constructor(fd: Fd, bdf: string, onClose: (device: Device) => void) {
    this.#fd = fd;
    this.bdf = bdf;
    this.#onClose = onClose;
    this.info = readDeviceInfo(fd, bdf);
  }

  /** Opens a device through its group's fd. Programs call `group.openDevice(bdf)`. */
  static open(
    group: HasFd & { readonly number: number },
    bdf: string,
    options: OpenDeviceOptions,
    onClose: (device: Device) => void,
  ): Device {
    const name = options.vfToken === undefined ? bdf : `${bdf} vf_token=${options.vfToken}`;
    const fd = ioctl(group, vfioIoctls.VFIO_GROUP_GET_DEVICE_FD, name, (errno) =>
      openContext(errno, bdf, group.number),
    );
    const owner = new Fd(fd, `PCI device ${bdf}`);
    try {
      return new Device(owner, bdf, onClose);
    } catch (error) {
      owner.close();
      throw error;
    }
  }

  /** The device's descriptor. Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  /**
   * Forbids closing while something relies on the device, such as a mapped BAR, which would keep it busy.
   * @param reason who needs it, for the error that {@link close} then throws.
   */
  hold(reason: string): Disposable {
    return this.#holds.add(reason);
  }

  /**
   * Closing twice does nothing. The kernel resets a device when its last fd closes, if it can.
   * @throws VfioError `ERR_VFIO_DEVICE_IN_USE` while BARs are mapped or interrupts set up.
   */
  close(): void {
    if (this.#fd.closed) return;
    const { reasons } = this.#holds;
    if (reasons.length > 0) {
      throw new VfioError(
        "ERR_VFIO_DEVICE_IN_USE",
        `cannot close ${this.bdf}: in use by ${reasons.join(", ")}`,
        {
          hint: "Close the PciDevice, its mapped BARs and its interrupts first",
        },
      );
    }
    try {
      this.#fd.close();
    } finally {
      this.#onClose(this);
    }
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

function readDeviceInfo(device: HasFd, bdf: string): DeviceInfo {
  const struct = vfioStructs.vfio_device_info;
  const buffer = struct.encode({ argsz: struct.bytes });
  ioctl(device, vfioIoctls.VFIO_DEVICE_GET_INFO, buffer, () => ({
    what: `cannot read the device info of ${bdf}`,
  }));
  const { flags, num_regions, num_irqs } = struct.decode(buffer);
  return {
    canReset: (flags & vfioConstants.VFIO_DEVICE_FLAGS_RESET) !== 0,
    isPci: (flags & vfioConstants.VFIO_DEVICE_FLAGS_PCI) !== 0,
    regions: num_regions,
    interrupts: num_irqs,
  };
}

function openContext(errno: number, bdf: string, group: number): IoctlContext {
  const what = `cannot open PCI device ${bdf} of IOMMU group ${group}`;
  if (errno === errnoOf("EINVAL"))
    return { what, hint: "The group must be in a container whose IOMMU type is set" };
  if (errno === errnoOf("EACCES") && describePciDevice(bdf).isVirtualFunction) {
    return {
      what,
      hint: "A VF token is required: the owner of its physical function set one; pass it as vfToken",
    };
  }
  if (errno === errnoOf("ENODEV")) return { what, hint: `It is not bound to VFIO: lspci -k -s ${bdf}` };
  return { what };
}

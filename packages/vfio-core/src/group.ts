import {
  check,
  errnoOf,
  Fd,
  ioctl,
  kernel,
  openFile,
  VfioError,
  vfioConstants,
  vfioIoctls,
  vfioStructs,
  type HasFd,
  printAs,
  fdState,
} from "@vfio/ioctl-native";
import { normalizeBdf } from "./bdf.js";
import { Device, type OpenDeviceOptions } from "./device.js";
import { holdersOf } from "./holders.js";
import { describePciDevice, devicesOfGroup, iommuGroupExists } from "./topology.js";
import { notViableError } from "./viability.js";

/** What the kernel says of a group (`VFIO_GROUP_GET_STATUS`). */
export interface GroupStatus {
  /** Every device in the group is bound to VFIO or to nothing. */
  readonly viable: boolean;
  /** The group is in a container. */
  readonly inContainer: boolean;
}

/**
 * An open IOMMU group: the smallest set of devices that the IOMMU can keep apart from all others.
 * @example
 * ```ts
 * // needs a device
 * import { Container, Group } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = Group.open(4);
 * group.checkViable(); // the error names the device that is in the way
 * container.attach(group);
 * using device = group.openDevice("0000:00:10.0");
 * ```
 */
export class Group implements HasFd, Disposable {
  static {
    printAs(Group, (it) => ({
      number: it.number,
      devices: [...it.#devices].map(({ bdf }) => bdf),
      ...fdState(it.#fd),
    }));
  }

  /** Its number in `/dev/vfio` and sysfs. 0 is a number like any other. */
  readonly number: number;
  readonly #fd: Fd;
  readonly #closeListeners: (() => void)[] = [];
  readonly #devices = new Set<Device>();

  private constructor(fd: Fd, number: number) {
    this.#fd = fd;
    this.number = number;
  }

  /**
   * Opens `/dev/vfio/<number>`. Most programs let `container.addGroup` do it.
   * @throws VfioError `ERR_VFIO_NO_SUCH_GROUP`, `ERR_VFIO_GROUP_NOT_BOUND`; VfioSystemError `EBUSY` (VFIO opens a
   * group only once; the holder is named), `EACCES`.
   */
  static open(number: number): Group {
    const path = `/dev/vfio/${number}`;
    try {
      const fd = openFile(path, { name: `IOMMU group ${number}`, hint: (errno) => openHint(errno, path) });
      return new Group(fd, number);
    } catch (error) {
      throw isAbsent(error) ? absentError(number) : error;
    }
  }

  /**
   * A group that is open elsewhere, such as in a primary process that handed over its fd. It is in its primary's
   * container already. The fd is duplicated: both sides close their own.
   */
  static from(source: HasFd & { readonly number: number }): Group {
    const name = `IOMMU group ${source.number}`;
    const fd = check(kernel().dup(source.fd), () => ({
      syscall: "fcntl",
      what: `cannot duplicate the fd of ${name}`,
    }));
    return new Group(new Fd(fd, name), source.number);
  }

  /** The group's descriptor. Throws `ERR_VFIO_CLOSED` after close. */
  get fd(): number {
    return this.#fd.fd;
  }

  /** Calls back once, when this group is closed. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** Asks the kernel (`VFIO_GROUP_GET_STATUS`). */
  status(): GroupStatus {
    const buffer = vfioStructs.vfio_group_status.encode({ argsz: vfioStructs.vfio_group_status.bytes });
    ioctl(this, vfioIoctls.VFIO_GROUP_GET_STATUS, buffer, () => ({
      what: `cannot read the status of IOMMU group ${this.number}`,
    }));
    const { flags } = vfioStructs.vfio_group_status.decode(buffer);
    return {
      viable: (flags & vfioConstants.VFIO_GROUP_FLAGS_VIABLE) !== 0,
      inContainer: (flags & vfioConstants.VFIO_GROUP_FLAGS_CONTAINER_SET) !== 0,
    };
  }

  /** @throws VfioError `ERR_VFIO_GROUP_NOT_VIABLE`, with every device of the group and its driver. */
  checkViable(): void {
    if (!this.status().viable) throw notViableError(this.number);
  }

  /**
   * Opens a device of this group (`VFIO_GROUP_GET_DEVICE_FD`). The group must be in a container with its IOMMU type
   * set. The same device may be opened several times, by several processes that have the group's fd.
   * @throws VfioError `ERR_VFIO_DEVICE_NOT_IN_GROUP`, `ERR_VFIO_DEVICE_NOT_BOUND` (naming its driver);
   * VfioSystemError otherwise.
   */
  openDevice(address: string, options: OpenDeviceOptions = {}): Device {
    const bdf = normalizeBdf(address);
    this.#checkDevice(bdf);
    const device = Device.open(this, bdf, options, (closed) => this.#devices.delete(closed));
    this.#devices.add(device);
    return device;
  }

  /** @throws VfioError `ERR_VFIO_GROUP_IN_USE` while devices opened through it are open. Twice does nothing. */
  close(): void {
    if (this.#fd.closed) return;
    if (this.#devices.size > 0) {
      const bdfs = [...this.#devices].map(({ bdf }) => bdf).join(", ");
      throw new VfioError(
        "ERR_VFIO_GROUP_IN_USE",
        `cannot close IOMMU group ${this.number}: ${bdfs} is open`,
        {
          hint: "Close its devices first: the kernel keeps the group busy until then",
        },
      );
    }
    try {
      this.#fd.close();
    } finally {
      for (const listener of this.#closeListeners) listener();
    }
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #checkDevice(bdf: string): void {
    const { iommuGroup, driver } = describePciDevice(bdf);
    if (iommuGroup !== this.number) {
      const members = devicesOfGroup(this.number).map((device) => device.bdf);
      throw new VfioError(
        "ERR_VFIO_DEVICE_NOT_IN_GROUP",
        `PCI device ${bdf} is in IOMMU group ${iommuGroup ?? "none"}, not in group ${this.number} (${members.join(", ")})`,
      );
    }
    if (driver?.includes("vfio") !== true) throw notBoundError(bdf, driver);
  }
}

function isAbsent(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ENOENT";
}

/** The device node of a group exists only while one of its devices is bound to a VFIO driver. */
function absentError(number: number): VfioError {
  if (!iommuGroupExists(number)) {
    return new VfioError("ERR_VFIO_NO_SUCH_GROUP", `there is no IOMMU group ${number}`, {
      hint: "ls /sys/kernel/iommu_groups lists them",
    });
  }
  const members = devicesOfGroup(number);
  const list = members.map(({ bdf, driver }) => `${bdf} (${driver ?? "no driver"})`).join(", ");
  return new VfioError(
    "ERR_VFIO_GROUP_NOT_BOUND",
    `no device of IOMMU group ${number} is bound to VFIO: ${list}`,
    {
      hint: bindHint(members[0]?.bdf ?? "<BDF>"),
    },
  );
}

function notBoundError(bdf: string, driver: string | undefined): VfioError {
  return new VfioError(
    "ERR_VFIO_DEVICE_NOT_BOUND",
    `PCI device ${bdf} is bound to ${driver ?? "no driver"}, not to VFIO`,
    {
      hint: bindHint(bdf),
    },
  );
}

function bindHint(bdf: string): string {
  return (
    `Bind it: modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/${bdf}/driver_override; ` +
    `echo ${bdf} > /sys/bus/pci/devices/${bdf}/driver/unbind (if it has a driver); ` +
    `echo ${bdf} > /sys/bus/pci/drivers_probe`
  );
}

function openHint(errno: number, path: string): string | undefined {
  if (errno === errnoOf("EBUSY")) {
    const holders = holdersOf(path);
    const who = holders.length > 0 ? `It is open in ${holders.join(", ")}` : "Another process has it open";
    return `${who}. VFIO opens a group only once: get its fd from that process (@vfio/mp-sync), or end it`;
  }
  if (errno === errnoOf("EACCES"))
    return `Give your user access: chown $USER ${path}, or a udev rule, or run as root`;
  if (errno === errnoOf("EPERM")) return `In a container, pass the device in: --device ${path}`;
  return undefined;
}

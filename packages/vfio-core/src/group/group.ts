import {
  devicesOfGroup,
  errnoOf,
  type Fd,
  hasErrno,
  iommuGroupExists,
  normalizeBdf,
  openFile,
  VfioError,
  type HasFd,
  type PciDeviceInfo,
} from "@vfio/ioctl-native";
import type { GroupStatus } from "@vfio/ioctl-native/vfio";
import {
  checkFunction,
  checkGroupNumber,
  checkHasFd,
  contextOr,
  describePciDevice,
  holdersOf,
  isVfioDriver,
  printAs,
  fdState,
} from "@vfio/ioctl-native/internal";
import { Device, type OpenDeviceOptions } from "../device/device.js";
import { Closable } from "./closable.js";
import { duplicate } from "./duplicate.js";
import { readGroupStatus } from "./group-status.js";
import { notViableError } from "./viability.js";

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
export class Group extends Closable {
  static {
    printAs(Group, (it) => ({
      number: it.number,
      devices: [...it.#devices].map(({ bdf }) => bdf),
      ...fdState(it.#fd),
    }));
  }

  /** In `/dev/vfio` and sysfs. 0 is a number like any other. */
  readonly number: number;
  readonly #fd: Fd;
  readonly #closeListeners: (() => void)[];
  readonly #devices = new Set<Device>();

  private constructor(fd: Fd, number: number) {
    const closeListeners: (() => void)[] = [];
    super(fd, () => this.#checkFree(), closeListeners);
    this.#fd = fd;
    this.#closeListeners = closeListeners;
    this.number = number;
  }

  /**
   * Opens `/dev/vfio/<number>`. Most programs let `container.addGroup` do it.
   * @throws VfioError `ERR_VFIO_NO_SUCH_GROUP`, `ERR_VFIO_GROUP_NOT_BOUND`; VfioSystemError `EBUSY` (VFIO opens a group
   * only once; the holder is named), `EACCES`, `ENOENT` (its devices are bound to VFIO, but its node is not here);
   * VfioRangeError `ERR_VFIO_GROUP_NUMBER`.
   */
  static open(number: number): Group {
    checkGroupNumber(number);
    const path = `/dev/vfio/${number}`;
    try {
      const fd = openFile(path, {
        name: `IOMMU group ${number}`,
        hint: (errno) => openHint(errno, number, path),
      });
      return new Group(fd, number);
    } catch (error) {
      throw (hasErrno(error, "ENOENT") && contextOr(undefined, () => absentError(number))) || error;
    }
  }

  /**
   * A group that is open elsewhere, such as in a primary process that passed its fd. It is in the primary's container
   * already. The fd is duplicated: both sides close their own.
   * @throws VfioRangeError `ERR_VFIO_ARGUMENT`, `ERR_VFIO_GROUP_NUMBER`; VfioSystemError.
   */
  static from(source: HasFd & { readonly number: number }): Group {
    checkHasFd("the group", "an object with a group's fd and number", source);
    checkGroupNumber(source.number);
    return new Group(duplicate(source, `IOMMU group ${source.number}`), source.number);
  }

  /** Calls back once, when this group is closed. */
  onClose(listener: () => void): void {
    checkFunction("the listener of a group", listener);
    this.#closeListeners.push(listener);
  }

  /** `VFIO_GROUP_GET_STATUS`. */
  status(): GroupStatus {
    return readGroupStatus(this, this.number);
  }

  /** @throws VfioError `ERR_VFIO_GROUP_NOT_VIABLE`, with every device of the group and its driver. */
  checkViable(): void {
    if (!this.status().viable) throw notViableError(this.number);
  }

  /**
   * Opens a device of this group (`VFIO_GROUP_GET_DEVICE_FD`). The group must be in a container with its IOMMU type
   * set. A device may be open several times, in several processes with the group's fd.
   * @throws VfioError `ERR_VFIO_DEVICE_NOT_IN_GROUP`, `ERR_VFIO_DEVICE_NOT_BOUND` (naming its driver); VfioSystemError
   * otherwise.
   */
  openDevice(address: string, options: OpenDeviceOptions = {}): Device {
    const bdf = normalizeBdf(address);
    this.#checkDevice(bdf);
    const device = Device.open(this, bdf, options, (closed) => this.#devices.delete(closed));
    this.#devices.add(device);
    return device;
  }

  #checkFree(): void {
    if (this.#devices.size === 0) return;
    const bdfs = [...this.#devices].map(({ bdf }) => bdf).join(", ");
    throw new VfioError("ERR_VFIO_GROUP_IN_USE", `cannot close IOMMU group ${this.number}: ${bdfs} is open`, {
      hint: "Close its devices first: the kernel keeps the group busy until then",
    });
  }

  #checkDevice(bdf: string): void {
    const { iommuGroup, driver } = describePciDevice(bdf);
    if (iommuGroup !== this.number) {
      const members = contextOr([], () => devicesOfGroup(this.number)).map((device) => device.bdf);
      throw new VfioError(
        "ERR_VFIO_DEVICE_NOT_IN_GROUP",
        `PCI device ${bdf} is in IOMMU group ${iommuGroup ?? "none"}, not in group ${this.number} (${members.join(", ")})`,
      );
    }
    if (!isVfioDriver(driver)) throw notBoundError(bdf, driver);
  }
}

/**
 * The device node of a group exists only while one of its devices is bound to a VFIO driver.
 * @returns `undefined` if one is: then the node is outside of this container.
 */
function absentError(number: number): VfioError | undefined {
  if (!iommuGroupExists(number)) {
    return new VfioError("ERR_VFIO_NO_SUCH_GROUP", `there is no IOMMU group ${number}`, {
      hint: "ls /sys/kernel/iommu_groups lists them",
    });
  }
  const members = devicesOfGroup(number);
  if (members.some(({ driver }) => isVfioDriver(driver))) return undefined;
  const list = members.map(({ bdf, driver }) => `${bdf} (${driver ?? "no driver"})`).join(", ");
  return new VfioError(
    "ERR_VFIO_GROUP_NOT_BOUND",
    `no device of IOMMU group ${number} is bound to VFIO: ${list}`,
    { hint: bindHint(members.find(isNoBridge)) },
  );
}

/** vfio-pci takes no bridges. */
function isNoBridge({ classCode }: PciDeviceInfo): boolean {
  return classCode >> 8 !== 0x0604;
}

function notBoundError(bdf: string, driver: string | undefined): VfioError {
  return new VfioError(
    "ERR_VFIO_DEVICE_NOT_BOUND",
    `PCI device ${bdf} is bound to ${driver ?? "no driver"}, not to VFIO`,
    {
      hint: bindHint({ bdf, driver }),
    },
  );
}

/** Commands to paste, so none depends on what the reader finds. */
function bindHint(device: Pick<PciDeviceInfo, "bdf" | "driver"> | undefined): string {
  const { bdf, driver } = device ?? { bdf: "<BDF>", driver: undefined };
  const unbind = driver === undefined ? "" : `echo ${bdf} > /sys/bus/pci/devices/${bdf}/driver/unbind; `;
  return (
    `Bind it: modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/${bdf}/driver_override; ` +
    `${unbind}echo ${bdf} > /sys/bus/pci/drivers_probe`
  );
}

function openHint(errno: number, number: number, path: string): string | undefined {
  if (errno === errnoOf("EBUSY")) return busyHint(path);
  if (errno === errnoOf("EACCES"))
    return `Give your user access: chown $USER ${path}, or a udev rule, or run as root`;
  if (errno === errnoOf("EPERM")) return `In a container, pass the device in: --device ${path}`;
  // The node exists if one of the group's devices is bound to VFIO.
  if (errno === errnoOf("ENOENT") && devicesOfGroup(number).some(({ driver }) => isVfioDriver(driver)))
    return `The group's devices are bound to VFIO, but its node is not here. In a container, pass the node in: --device ${path}`;
  return undefined;
}

function busyHint(path: string): string {
  const { own, others } = holdersOf(path);
  if (own)
    return `This process (pid ${process.pid}) has it open already, in this thread or another. VFIO opens a group only once: use that Group, or share its fd (Group.from)`;
  const who = others.length > 0 ? `It is open in ${others.join(", ")}` : "Another process has it open";
  return `${who}. VFIO opens a group only once: get its fd from that process (@vfio/mp-sync), or end it`;
}

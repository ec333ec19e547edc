import { errnoOf, Fd, VfioError, type HasFd } from "@vfio/ioctl-native";
import { getDeviceInfo, getGroupDeviceFd, type DeviceInfo } from "@vfio/ioctl-native/vfio";
import { argumentError, checkOptions, Holds, orUndo, printAs, fdState } from "@vfio/ioctl-native/internal";
import { Closable } from "../group/closable.js";
import { readGroupStatus } from "../group/group-status.js";
import { checkVfToken, vfTokenHint } from "../group/vf-token.js";

/** Options of `Group.openDevice`. */
export interface OpenDeviceOptions {
  /** The UUID that the owner of an SR-IOV physical function has set for its virtual functions. */
  readonly vfToken?: string;
}

/** An open VFIO device. Its PCI side (BARs, config space, interrupts) is `@vfio/pci-bar`. */
export class Device extends Closable {
  static {
    printAs(Device, (it) => ({ bdf: it.bdf, ...fdState(it.#fd) }));
  }

  /** The full PCI address, e.g. `0000:00:10.0`. */
  readonly bdf: string;
  readonly info: DeviceInfo;
  readonly #fd: Fd;
  readonly #holds = new Holds();

  private constructor(fd: Fd, bdf: string, onClose: (device: Device) => void) {
    super(fd, () => this.#checkFree(), [() => onClose(this)]);
    this.#fd = fd;
    this.bdf = bdf;
    this.info = getDeviceInfo(fd, () => ({ what: `cannot read the device info of ${bdf}` }));
  }

  /** Programs call `group.openDevice(bdf)`. */
  static open(
    group: HasFd & { readonly number: number },
    bdf: string,
    options: OpenDeviceOptions = {},
    onClose: (device: Device) => void,
  ): Device {
    checkOptions("the options of openDevice()", options);
    const { vfToken } = options;
    checkVfToken(vfToken);
    const name = vfToken === undefined ? bdf : `${bdf} vf_token=${vfToken}`;
    const fd = getGroupDeviceFd(group, name, (errno) => ({
      what: `cannot open PCI device ${bdf} of IOMMU group ${group.number}`,
      hint: () => vfTokenHint(errno, bdf, vfToken) ?? openHint(errno, bdf, group),
    }));
    const owner = new Fd(fd, `PCI device ${bdf}`);
    return orUndo(
      () => new Device(owner, bdf, onClose),
      () => owner.close(),
    );
  }

  /**
   * Forbids closing while something uses the device, such as a mapped BAR, which would keep it busy.
   * @param reason the user, for the error that `close` then throws.
   */
  hold(reason: string): Disposable {
    if (typeof reason !== "string") throw argumentError("the reason of a hold", "a string", reason);
    return this.#holds.add(reason);
  }

  #checkFree(): void {
    const { reasons } = this.#holds;
    if (reasons.length === 0) return;
    throw new VfioError(
      "ERR_VFIO_DEVICE_IN_USE",
      `cannot close ${this.bdf}: in use by ${reasons.join(", ")}`,
      { hint: "Close the PciDevice, its mapped BARs and its interrupts first" },
    );
  }
}

function openHint(
  errno: number,
  bdf: string,
  group: HasFd & { readonly number: number },
): string | undefined {
  if (errno === errnoOf("ENODEV")) return `It is not bound to VFIO: lspci -k -s ${bdf}`;
  if (errno === errnoOf("EINVAL") && !readGroupStatus(group, group.number).inContainer)
    return "The group must be in a container whose IOMMU type is set";
  return undefined;
}

import {
  argumentError,
  checkHasFd,
  driverOf,
  errnoOf,
  fileOf,
  groupOfLink,
  tryIoctl,
  VfioError,
  vfioIoctls,
  vfioStructs,
  VfioSystemError,
  type HasFd,
} from "@vfio/ioctl-native";
import { resetCall, type ResetCall } from "./reset.js";
import { nameOf, type VfioDevice } from "./vfio-device.js";

/** A device that a hot reset reaches. */
export interface HotResetDevice {
  /** Its full PCI address. */
  readonly bdf: string;
  /** The number of its IOMMU group. */
  readonly group: number;
}

const {
  vfio_pci_hot_reset: RESET,
  vfio_pci_hot_reset_info: INFO,
  vfio_pci_dependent_device: DEVICE,
} = vfioStructs;
/** `VFIO_PCI_HOT_RESET_FLAG_DEV_ID`: where the group's number is said to be, there is an iommufd device id. */
const FLAG_DEV_ID = 1 << 0;
const MOST_DEVICES = 256;

/**
 * Every device on the same slot or bus, itself included (`VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`).
 * @throws VfioError `ERR_VFIO_NO_RESET` if there is no slot or bus that could be reset, as for what sits on a root bus;
 * `ERR_VFIO_HOT_RESET_GROUPS` if the kernel names no groups.
 */
export function readHotResetDevices(device: VfioDevice): HotResetDevice[] {
  let answer = INFO.encode({ argsz: INFO.bytes });
  let result = ask(device, answer);
  // Another device may come between two questions.
  for (let room = 0; result === errnoOf("ENOSPC") && room < MOST_DEVICES;) {
    room = Math.max(room + 1, INFO.decode(answer).count);
    const argsz = INFO.bytes + room * DEVICE.bytes;
    answer = INFO.encode({ argsz }, argsz);
    result = ask(device, answer);
  }
  if (result === errnoOf("ENODEV")) throw noHotResetError(device);
  if (result < 0) throw infoError(device, result);
  if ((INFO.decode(answer).flags & FLAG_DEV_ID) !== 0) throw devIdError(device);
  return Array.from({ length: INFO.decode(answer).count }, (_, index) =>
    decodeDevice(answer, INFO.bytes + index * DEVICE.bytes),
  );
}

/**
 * Makes ready to reset the whole slot or bus (`VFIO_DEVICE_PCI_HOT_RESET`).
 * @param groups open VFIO groups: each group that the reset reaches must be among them. Others are ignored.
 * @throws VfioError `ERR_VFIO_NO_RESET`; `ERR_VFIO_HOT_RESET_GROUPS` with the devices whose group is missing;
 * VfioRangeError `ERR_VFIO_ARGUMENT`.
 */
export function planHotReset(device: VfioDevice, groups: readonly HasFd[]): ResetCall {
  const isList: boolean = Array.isArray(groups);
  if (!isList) throw argumentError("the groups of a hot reset", "an array of open groups", groups);
  for (const group of groups) checkHasFd("each group of a hot reset", "an open group", group);
  const reached = readHotResetDevices(device);
  const given = new Map(groups.map((group) => [groupNumberOf(group), group.fd]));
  const missing = reached.filter(({ group }) => !given.has(group));
  if (missing.length > 0) throw missingGroupsError(device, missing);
  // The kernel takes no more fds than it reaches devices, so each group once.
  const fds = [...new Set(reached.map(({ group }) => group))].map((group) => given.get(group) ?? -1);
  const argsz = RESET.bytes + fds.length * 4;
  const buffer = RESET.encode({ argsz, count: fds.length }, argsz);
  buffer.set(new Uint8Array(new Int32Array(fds).buffer), RESET.bytes);
  return resetCall(device, vfioIoctls.VFIO_DEVICE_PCI_HOT_RESET, buffer, (errno) => ({
    what: `cannot hot reset ${nameOf(device)}`,
    hint: errno === errnoOf("EINVAL") ? () => boundHint(reached) : undefined,
  }));
}

function ask(device: VfioDevice, answer: Uint8Array): number {
  return tryIoctl(device, vfioIoctls.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, answer);
}

function decodeDevice(answer: Uint8Array, offset: number): HotResetDevice {
  const { group_id, segment, bus, devfn } = DEVICE.decode(answer, offset);
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return { bdf: `${hex(segment, 4)}:${hex(bus, 2)}:${hex(devfn >> 3, 2)}.${devfn & 7}`, group: group_id };
}

/** The kernel is asked with fds, and only their links know the numbers: /dev/vfio/12. */
function groupNumberOf({ fd }: HasFd): number {
  const number = groupOfLink(fileOf(fd) ?? "");
  if (number !== undefined) return number;
  throw new VfioError("ERR_VFIO_HOT_RESET_GROUPS", `fd ${fd} is no VFIO group`, {
    hint: "Pass the open groups, not devices or containers",
  });
}

function boundHint(reached: readonly HotResetDevice[]): string {
  return `Every device that it reaches must be bound to vfio-pci: ${reached.map(shownDriver).join(", ")}`;
}

function shownDriver({ bdf }: HotResetDevice): string {
  return `${bdf} (${driverOf(bdf) ?? "no driver"})`;
}

function missingGroupsError(device: VfioDevice, missing: readonly HotResetDevice[]): VfioError {
  const list = missing.map(({ bdf, group }) => `group ${group} of ${bdf}`).join(", ");
  return new VfioError("ERR_VFIO_HOT_RESET_GROUPS", `cannot hot reset ${nameOf(device)} without ${list}`, {
    hint: "It resets these devices too: open their groups and pass them all",
  });
}

/** Such a reset takes no groups at all: what is bound to the same iommufd is the proof. */
function devIdError(device: VfioDevice): VfioError {
  return new VfioError(
    "ERR_VFIO_HOT_RESET_GROUPS",
    `the kernel names no groups for a hot reset of ${nameOf(device)}: it was opened through /dev/vfio/devices and iommufd`,
    { hint: "Open it through its group" },
  );
}

function noHotResetError(device: VfioDevice): VfioError {
  return new VfioError("ERR_VFIO_NO_RESET", `${nameOf(device)} cannot be hot reset`, {
    hint: "It sits on a root bus, or its bus must not be reset",
  });
}

function infoError(device: VfioDevice, errno: number): VfioSystemError {
  return new VfioSystemError(errno, {
    syscall: "ioctl",
    ioctl: vfioIoctls.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO.name,
    what: `cannot read what a hot reset of ${nameOf(device)} reaches`,
  });
}

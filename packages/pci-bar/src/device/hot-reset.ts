import {
  errnoOf,
  hasErrno,
  VfioError,
  type DeviceCalls,
  type HasFd,
  type IoctlContext,
} from "@vfio/ioctl-native";
import type { HotResetDevice, HotResetInfo } from "@vfio/ioctl-native/vfio";
import { argumentError, checkHasFd, driverOf, fileOf, groupOfLink } from "@vfio/ioctl-native/internal";
import type { ResetCall } from "./reset.js";

/** `VFIO_PCI_HOT_RESET_FLAG_DEV_ID`: the field of the group's number holds an iommufd device id. */
const FLAG_DEV_ID = 1 << 0;

/**
 * Every device on the same slot or bus, itself included (`VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`).
 * @throws VfioError `ERR_VFIO_NO_RESET` if there is no slot or bus to reset, as on a root bus;
 * `ERR_VFIO_HOT_RESET_GROUPS` if the kernel names no groups.
 */
export function readHotResetDevices(device: DeviceCalls): HotResetDevice[] {
  const { flags, devices } = readInfo(device);
  if ((flags & FLAG_DEV_ID) !== 0) throw devIdError(device);
  return devices;
}

function readInfo(device: DeviceCalls): HotResetInfo {
  try {
    const info =
      device.hotReset &&
      device.hotResetInfo?.(() => ({
        what: `cannot read what a hot reset of ${device.name} reaches`,
      }));
    if (info !== undefined) return info;
  } catch (error) {
    if (!hasErrno(error, "ENODEV")) throw error;
  }
  throw noHotResetError(device);
}

/**
 * Prepares a reset of the whole slot or bus (`VFIO_DEVICE_PCI_HOT_RESET`).
 * @param groups open VFIO groups, with each group that the reset reaches. Others are ignored.
 * @throws VfioError `ERR_VFIO_NO_RESET`; `ERR_VFIO_HOT_RESET_GROUPS` with the devices whose group is missing;
 * VfioRangeError `ERR_VFIO_ARGUMENT`.
 */
export function planHotReset(device: DeviceCalls, groups: readonly HasFd[]): ResetCall {
  const isList: boolean = Array.isArray(groups);
  if (!isList) throw argumentError("the groups of a hot reset", "an array of open groups", groups);
  for (const group of groups) checkHasFd("each group of a hot reset", "an open group", group);
  const reached = readHotResetDevices(device);
  const given = new Map(groups.map((group) => [groupNumberOf(group), group.fd]));
  const missing = reached.filter(({ group }) => !given.has(group));
  if (missing.length > 0) throw missingGroupsError(device, missing);
  // The kernel accepts no more fds than devices reached, so each group once.
  const fds = [...new Set(reached.map(({ group }) => group))].map((group) => given.get(group) ?? -1);
  const context = (errno: number): IoctlContext => ({
    what: `cannot hot reset ${device.name}`,
    hint: errno === errnoOf("EINVAL") ? () => boundHint(reached) : undefined,
  });
  return {
    run: () => device.hotReset?.(fds, context),
    runAsync: async () =>
      device.hotResetAsync ? device.hotResetAsync(fds, context) : device.hotReset?.(fds, context),
  };
}

/** Only the link of an fd has the group's number: /dev/vfio/12. */
function groupNumberOf({ fd }: HasFd): number {
  const number = groupOfLink(fileOf(fd) ?? "");
  if (number !== undefined) return number;
  throw new VfioError("ERR_VFIO_HOT_RESET_GROUPS", `fd ${fd} is not a VFIO group`, {
    hint: "Pass the open groups, not devices or containers",
  });
}

function boundHint(reached: readonly HotResetDevice[]): string {
  return `Every device that it reaches must be bound to vfio-pci: ${reached.map(shownDriver).join(", ")}`;
}

function shownDriver({ bdf }: HotResetDevice): string {
  return `${bdf} (${driverOf(bdf) ?? "no driver"})`;
}

function missingGroupsError(device: DeviceCalls, missing: readonly HotResetDevice[]): VfioError {
  const list = missing.map(({ bdf, group }) => `group ${group} of ${bdf}`).join(", ");
  return new VfioError("ERR_VFIO_HOT_RESET_GROUPS", `cannot hot reset ${device.name} without ${list}`, {
    hint: "It resets these devices too: open their groups and pass them all",
  });
}

/** Such a reset takes no groups: having the devices bound to the same iommufd is the proof. */
function devIdError(device: DeviceCalls): VfioError {
  return new VfioError(
    "ERR_VFIO_HOT_RESET_GROUPS",
    `the kernel names no groups for a hot reset of ${device.name}: it was opened through /dev/vfio/devices and iommufd`,
    { hint: "Open it through its group" },
  );
}

function noHotResetError(device: DeviceCalls): VfioError {
  return new VfioError("ERR_VFIO_NO_RESET", `${device.name} cannot be hot reset`, {
    hint: "It sits on a root bus, or its bus must not be reset",
  });
}

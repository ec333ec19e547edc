import { VfioError } from "@vfio/ioctl-native";
import { filesOpenIn, groupOfLink } from "@vfio/ioctl-native/internal";

/**
 * The numbers of the groups that a process has open, lowest first; `undefined` if its open files cannot be seen.
 * @param pid `undefined` for a process of another PID namespace.
 */
export function groupsOpenIn(pid: number | undefined): number[] | undefined {
  const numbers = pid === undefined ? undefined : filesOpenIn(pid)?.map(groupOfLink);
  return numbers && [...new Set(numbers)].filter((number) => number !== undefined).sort((a, b) => a - b);
}

/**
 * Refuses a group that a DPDK primary does not have open: on request it would open and record it, and before its first
 * device that makes it forget to set the IOMMU type.
 * @throws VfioError `ERR_VFIO_GROUP_NOT_IN_USE`.
 */
export function checkGroupInUse(number: number, pid: number | undefined, directory: string): void {
  const used = groupsOpenIn(pid);
  if (used?.includes(number) === true) return;
  const state =
    used === undefined
      ? "cannot be looked at"
      : `has ${used.length === 0 ? "no group" : `only ${used.join(", ")}`} open`;
  throw new VfioError(
    "ERR_VFIO_GROUP_NOT_IN_USE",
    `group ${number} was not asked for: the DPDK primary in ${directory} ${state}`,
    {
      hint: "On request, DPDK opens a group that it does not use, and keeps it. Let the primary use the device (its option -a), or pass allowUnused: true",
    },
  );
}

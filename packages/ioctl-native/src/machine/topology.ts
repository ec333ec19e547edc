import { shownValue } from "../errors/argument-error.js";
import { VfioError, VfioRangeError } from "../errors/errors.js";
import { normalizeBdf } from "./bdf.js";
import { exists, listFolder, readLinkName, readSysfs } from "./sysfs.js";

export const PCI_DEVICES = "/sys/bus/pci/devices";
const IOMMU_GROUPS = "/sys/kernel/iommu_groups";

/** A PCI device as sysfs describes it. */
export interface PciDeviceInfo {
  /** Full address, e.g. `0000:00:10.0`. */
  readonly bdf: string;
  readonly vendorId: number;
  readonly deviceId: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly driver: string | undefined;
  /** `undefined` if no IOMMU stands in front of the device. Group 0 is a group like any other. */
  readonly iommuGroup: number | undefined;
  /** A virtual function (SR-IOV) of another device. */
  readonly isVirtualFunction: boolean;
  /**
   * The NUMA node whose memory is nearest, from 0 (`numa_node` in sysfs). `undefined` if the machine has one node only,
   * or its firmware does not say.
   */
  readonly numaNode: number | undefined;
}

/**
 * Reads a device's identity, driver and IOMMU group from sysfs.
 * @throws VfioRangeError `ERR_VFIO_BAD_BDF`; VfioError `ERR_VFIO_NO_SUCH_DEVICE`; `ERR_VFIO_NO_SYSFS`.
 */
export function describePciDevice(address: string): PciDeviceInfo {
  const bdf = normalizeBdf(address);
  const device = readDevice(bdf);
  if (device !== undefined) return device;
  checkSysfs();
  throw new VfioError("ERR_VFIO_NO_SUCH_DEVICE", `there is no PCI device ${bdf}`, {
    hint: "`lspci -D` lists the devices of this machine",
  });
}

/** `undefined` if the device is absent or going away: then one of its files is missing, at the latest the last. */
function readDevice(bdf: string): PciDeviceInfo | undefined {
  const folder = `${PCI_DEVICES}/${bdf}`;
  const driver = driverOf(bdf);
  const group = readLinkName(`${folder}/iommu_group`);
  const isVirtualFunction = exists(`${folder}/physfn`);
  const numaNode = readNumaNode(folder);
  const ids = ["vendor", "device", "class"].map((name) => readSysfs(`${folder}/${name}`));
  if (ids.includes(undefined)) return undefined;
  const [vendorId = NaN, deviceId = NaN, classCode = NaN] = ids.map(Number);
  const iommuGroup = group === undefined ? undefined : Number(group);
  return { bdf, vendorId, deviceId, classCode, driver, iommuGroup, isVirtualFunction, numaNode };
}

/** The kernel says -1 for a device of no node, and has no such file without CONFIG_NUMA. */
function readNumaNode(folder: string): number | undefined {
  const node = Number(readSysfs(`${folder}/numa_node`) ?? -1);
  return node < 0 ? undefined : node;
}

/** The driver bound to a device, given by its full address; `undefined` for none, or if there is no such device. */
export function driverOf(bdf: string): string | undefined {
  return readLinkName(`${PCI_DEVICES}/${bdf}/driver`);
}

/**
 * All PCI devices of the machine, by address. Skips devices unplugged meanwhile.
 * @throws VfioError `ERR_VFIO_NO_SYSFS`.
 * @example
 * ```ts
 * import { listPciDevices } from "@vfio/vfio-core";
 *
 * for (const { bdf, driver, iommuGroup } of listPciDevices()) console.log(bdf, driver, iommuGroup);
 * ```
 */
export function listPciDevices(): PciDeviceInfo[] {
  return readDevices(PCI_DEVICES);
}

/**
 * The number of a device's IOMMU group.
 * @throws VfioError `ERR_VFIO_NO_IOMMU_GROUP`, saying whether the machine has an IOMMU in use at all; and what
 * {@link describePciDevice} throws.
 */
export function iommuGroupOf(address: string): number {
  const { bdf, iommuGroup } = describePciDevice(address);
  if (iommuGroup !== undefined) return iommuGroup;
  throw new VfioError("ERR_VFIO_NO_IOMMU_GROUP", `PCI device ${bdf} is in no IOMMU group`, {
    hint: () =>
      listFolder(IOMMU_GROUPS).length > 0
        ? "This machine's IOMMU does not cover it: try another slot"
        : "No IOMMU is in use: switch on VT-d or AMD-Vi in the firmware, and boot with intel_iommu=on or amd_iommu=on",
  });
}

/**
 * True if the machine has an IOMMU group of that number, bound to VFIO or not.
 * @throws VfioRangeError `ERR_VFIO_GROUP_NUMBER`; VfioError `ERR_VFIO_NO_SYSFS`.
 */
export function iommuGroupExists(group: number): boolean {
  checkGroupNumber(group);
  if (groupExistsInSysfs(group)) return true;
  checkSysfs();
  return false;
}

/** sysfs lists every IOMMU group, whatever its devices are bound to. Without sysfs, there is none. */
export function groupExistsInSysfs(group: number): boolean {
  return exists(`${IOMMU_GROUPS}/${group}`);
}

/**
 * The PCI devices of an IOMMU group: they can reach each other behind the IOMMU's back, so VFIO gives out all or none.
 * Skips devices unplugged meanwhile.
 * @throws VfioRangeError `ERR_VFIO_GROUP_NUMBER`; VfioError `ERR_VFIO_NO_SYSFS`.
 */
export function devicesOfGroup(group: number): PciDeviceInfo[] {
  checkGroupNumber(group);
  return readDevices(`${IOMMU_GROUPS}/${group}/devices`);
}

/** @throws VfioRangeError `ERR_VFIO_GROUP_NUMBER` if it cannot be the number of a group. */
export function checkGroupNumber(group: unknown): void {
  if (typeof group === "number" && Number.isInteger(group) && group >= 0 && group < 2 ** 31) return;
  throw new VfioRangeError(
    "ERR_VFIO_GROUP_NUMBER",
    `the number of an IOMMU group is a whole number from 0 to 2^31 - 1, not ${shownValue(group)}`,
  );
}

/** True for `vfio-pci`, and for VFIO's drivers of one kind of device such as `mlx5_vfio_pci`. */
export function isVfioDriver(driver: string | undefined): boolean {
  return driver?.includes("vfio") === true;
}

function readDevices(folder: string): PciDeviceInfo[] {
  const names = listFolder(folder);
  if (names.length === 0) checkSysfs();
  return names.map(readDevice).filter((device) => device !== undefined);
}

/** Without sysfs there would seem to be no devices and no groups. */
function checkSysfs(): void {
  if (exists("/sys/bus") || exists("/sys/kernel")) return;
  const problem = "there is no sysfs at /sys, so PCI devices and IOMMU groups cannot be seen";
  throw new VfioError("ERR_VFIO_NO_SYSFS", problem, { hint: "Mount it: mount -t sysfs sysfs /sys" });
}

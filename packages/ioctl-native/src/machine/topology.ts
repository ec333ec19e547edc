import { shownValue } from "../errors/argument-error.js";
import { VfioError, VfioRangeError } from "../errors/errors.js";
import { normalizeBdf } from "./bdf.js";
import { exists, listFolder, readLinkName, readSysfs } from "./sysfs.js";

/** Where sysfs has a folder for each PCI device. */
export const PCI_DEVICES = "/sys/bus/pci/devices";
const IOMMU_GROUPS = "/sys/kernel/iommu_groups";

/** What sysfs says of a PCI device. */
export interface PciDeviceInfo {
  /** Full address, e.g. `0000:00:10.0`. */
  readonly bdf: string;
  /** PCI vendor id, 16 bits. */
  readonly vendorId: number;
  /** PCI device id, 16 bits. */
  readonly deviceId: number;
  /** The 24-bit class code: base class, subclass, programming interface. */
  readonly classCode: number;
  /** The kernel driver it is bound to, or `undefined`. */
  readonly driver: string | undefined;
  /** Its IOMMU group, or `undefined` if no IOMMU stands in front of it. Group 0 is a group like any other. */
  readonly iommuGroup: number | undefined;
  /** A virtual function (SR-IOV) of another device. */
  readonly isVirtualFunction: boolean;
  /**
   * The NUMA node that it is attached to, from 0 (`numa_node` in sysfs): memory of that node is the nearest to it.
   * `undefined` if the machine has one node only, or its firmware does not say.
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

/** `undefined` if the PCI device is not there or is going away: then one of its files is missing, at the latest the last. */
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

/** The kernel says -1 for a device of no node, and has no such file where it knows no nodes (CONFIG_NUMA). */
function readNumaNode(folder: string): number | undefined {
  const node = Number(readSysfs(`${folder}/numa_node`) ?? -1);
  return node < 0 ? undefined : node;
}

/** The kernel driver that a device is bound to, of its full address; `undefined` for none, or if there is no such device. */
export function driverOf(bdf: string): string | undefined {
  return readLinkName(`${PCI_DEVICES}/${bdf}/driver`);
}

/**
 * All PCI devices of the machine, by address. What is plugged out meanwhile is left out.
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

/** Asks sysfs, where the kernel lists every IOMMU group whatever its devices are bound to. Without sysfs, there is none. */
export function groupExistsInSysfs(group: number): boolean {
  return exists(`${IOMMU_GROUPS}/${group}`);
}

/**
 * The PCI devices of an IOMMU group: they can reach each other behind the IOMMU's back, so they are given away
 * together or not at all. What is plugged out meanwhile is left out.
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

/** True for a driver of VFIO's: `vfio-pci`, and those for one kind of device such as `mlx5_vfio_pci`. */
export function isVfioDriver(driver: string | undefined): boolean {
  return driver?.includes("vfio") === true;
}

/** The devices of a folder of links to them. Others than PCI's are left out, too. */
function readDevices(folder: string): PciDeviceInfo[] {
  const names = listFolder(folder);
  if (names.length === 0) checkSysfs();
  return names.map(readDevice).filter((device) => device !== undefined);
}

/** Without sysfs there seem to be no devices and no groups. */
function checkSysfs(): void {
  if (exists("/sys/bus") || exists("/sys/kernel")) return;
  const problem = "there is no sysfs at /sys, so PCI devices and IOMMU groups cannot be seen";
  throw new VfioError("ERR_VFIO_NO_SYSFS", problem, { hint: "Mount it: mount -t sysfs sysfs /sys" });
}

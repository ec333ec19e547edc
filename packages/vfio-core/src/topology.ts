import { exists, listFolder, readLinkName, readSysfs, VfioError } from "@vfio/ioctl-native";
import { normalizeBdf } from "./bdf.js";

const PCI_DEVICES = "/sys/bus/pci/devices";
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
}

/**
 * Reads a device's identity, driver and IOMMU group from sysfs.
 * @throws VfioRangeError `ERR_VFIO_BAD_BDF`; VfioError `ERR_VFIO_NO_SUCH_DEVICE`.
 */
export function describePciDevice(address: string): PciDeviceInfo {
  const bdf = normalizeBdf(address);
  const folder = `${PCI_DEVICES}/${bdf}`;
  const vendor = readSysfs(`${folder}/vendor`);
  if (vendor === undefined) {
    throw new VfioError("ERR_VFIO_NO_SUCH_DEVICE", `there is no PCI device ${bdf}`, {
      hint: "`lspci -D` lists the devices of this machine",
    });
  }
  const group = readLinkName(`${folder}/iommu_group`);
  return {
    bdf,
    vendorId: Number(vendor),
    deviceId: Number(readSysfs(`${folder}/device`)),
    classCode: Number(readSysfs(`${folder}/class`)),
    driver: readLinkName(`${folder}/driver`),
    iommuGroup: group === undefined ? undefined : Number(group),
    isVirtualFunction: exists(`${folder}/physfn`),
  };
}

/**
 * All PCI devices of the machine, by address.
 * @example
 * ```ts
 * import { listPciDevices } from "@vfio/vfio-core";
 *
 * for (const { bdf, driver, iommuGroup } of listPciDevices()) console.log(bdf, driver, iommuGroup);
 * ```
 */
export function listPciDevices(): PciDeviceInfo[] {
  return listFolder(PCI_DEVICES).map(describePciDevice);
}

/**
 * The number of a device's IOMMU group.
 * @throws VfioError `ERR_VFIO_NO_IOMMU_GROUP`, saying whether the machine has an IOMMU in use at all; and what
 * {@link describePciDevice} throws.
 */
export function iommuGroupOf(address: string): number {
  const { bdf, iommuGroup } = describePciDevice(address);
  if (iommuGroup !== undefined) return iommuGroup;
  const machineHasGroups = listFolder(IOMMU_GROUPS).length > 0;
  throw new VfioError("ERR_VFIO_NO_IOMMU_GROUP", `PCI device ${bdf} is in no IOMMU group`, {
    hint: machineHasGroups
      ? "This machine's IOMMU does not cover it: try another slot"
      : "No IOMMU is in use: switch on VT-d or AMD-Vi in the firmware, and boot with intel_iommu=on or amd_iommu=on",
  });
}

/** True if the machine has an IOMMU group of that number, bound to VFIO or not. */
export function iommuGroupExists(group: number): boolean {
  return exists(`${IOMMU_GROUPS}/${group}`);
}

/**
 * The PCI devices of an IOMMU group: they can reach each other behind the IOMMU's back, so they are given away
 * together or not at all.
 */
export function devicesOfGroup(group: number): PciDeviceInfo[] {
  return listFolder(`${IOMMU_GROUPS}/${group}/devices`)
    .filter((name) => exists(`${PCI_DEVICES}/${name}`))
    .map(describePciDevice);
}

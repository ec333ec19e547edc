import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { Fd, ioctl, openFile } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { PciDevice, type InterruptOptions, type VfioDevice } from "../../src/index.js";

export const EDU = "0000:00:10.0";
export const NVME = "0000:00:11.0";
export const E1000E = "0000:00:12.0";
export const TEST_DEVICE = "0000:00:14.0";
export const EDU_NARROW = "0000:00:15.0";
export const SRIOV_NVME = "0000:00:17.0";
export const VGA = "0000:00:19.0";
/** Two edu share its bus and its group; the other has no driver. */
export const BRIDGED_EDU = "0000:01:01.0";
/** An edu in a slot behind {@link SLOT}. */
export const HOTPLUG_EDU = "0000:02:00.0";
export const SLOT = "0000:00:16.0";
/** A virtio entropy device behind a root port with AER; it has an expansion ROM, whose file is {@link ROM_FILE}. */
export const ERROR_RNG = "0000:03:00.0";
export const ROM_FILE = "/run/vfio-lab/option.rom";

export interface OpenDevice extends Disposable {
  readonly device: VfioDevice & { close(): void };
  readonly pci: PciDevice;
  readonly group: Fd;
  readonly container: Fd;
}

/** An open device of the lab, made with plain ioctls: this package must work with whatever fd it is given. */
export function openDevice(bdf: string): OpenDevice {
  const group = openFile(groupFile(bdf));
  const container = openFile("/dev/vfio/vfio");
  ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
  ioctl(container, vfioIoctls.VFIO_SET_IOMMU, vfioConstants.VFIO_TYPE1v2_IOMMU);
  const fd = new Fd(ioctl(group, vfioIoctls.VFIO_GROUP_GET_DEVICE_FD, bdf), bdf);
  const device = {
    bdf,
    get fd() {
      return fd.fd;
    },
    close: () => fd.close(),
  };
  const pci = new PciDevice(device);
  return {
    device,
    pci,
    group,
    container,
    [Symbol.dispose]() {
      pci.close();
      fd.close();
      group.close();
      container.close();
    },
  };
}

/** As {@link openDevice}, with its interrupts set up and enabled. */
export function openInterrupting(bdf: string, options?: InterruptOptions) {
  const opened = openDevice(bdf);
  const interrupts = opened.pci.setUpInterrupts(options);
  interrupts.enable();
  return { ...opened, interrupts };
}

function groupFile(bdf: string): string {
  return `/dev/vfio/${path.basename(readlinkSync(`/sys/bus/pci/devices/${bdf}/iommu_group`))}`;
}

/** Asks the host to pull the device out of its slot; the guest's kernel then asks its user to give it back. */
export function unplug(): void {
  execFileSync("/run/vfio-lab/hotplug", ["unplug", "hotplugEdu"]);
}

/** Puts it back into its slot, and binds it to vfio-pci as before. */
export async function plugIn(): Promise<void> {
  execFileSync("/run/vfio-lab/hotplug", ["plug", "hotplugEdu"]);
  const folder = `/sys/bus/pci/devices/${HOTPLUG_EDU}`;
  await until(() => existsSync(`${folder}/iommu_group`));
  writeFileSync(`${folder}/driver_override`, "vfio-pci");
  writeFileSync("/sys/bus/pci/drivers_probe", HOTPLUG_EDU);
  // A device that is not yet started is not bound by that, but a moment later, when the kernel starts it.
  await until(() => existsSync(groupFile(HOTPLUG_EDU)));
  // Read under the lock that the kernel holds while it binds.
  readFileSync(`${folder}/driver_override`);
}

/** Has {@link ERROR_RNG} report an uncorrectable error to its root port. */
export function reportError(severity: "nonfatal" | "fatal"): void {
  execFileSync("/run/vfio-lab/hotplug", [`${severity}-error`, "errorRng"]);
}

export function isThere(bdf: string): boolean {
  return existsSync(`/sys/bus/pci/devices/${bdf}`);
}

/** Waits for what another does; the test's own time limit bounds it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(10);
}

import type { LinearMemory } from "@vfio/ioctl-native";
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";
import { Edu } from "../../src/edu.js";

/** Drives every address bit. */
export const WIDE_EDU = "0000:00:10.0";
/** Drives 28 address bits only, as the edu device does unless told otherwise. */
export const NARROW_EDU = "0000:00:15.0";

/** An edu device, ready for DMA; its registers lie within a memory, if there is one. */
export function openEdu(
  bdf: string,
  within?: LinearMemory,
): Disposable & { container: Container; pci: PciDevice; edu: Edu } {
  const container = Container.open();
  const group = container.addGroup(iommuGroupOf(bdf));
  const device = group.openDevice(bdf);
  const pci = new PciDevice(device);
  pci.busMaster = true;
  const edu = new Edu(pci.bar(0).open(within && { within }));
  return {
    container,
    pci,
    edu,
    [Symbol.dispose]() {
      for (const each of [pci, device, group, container]) each.close();
    },
  };
}

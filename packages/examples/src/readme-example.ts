import { DmaMapper } from "@vfio/dma";
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";

const bdf = "0000:00:10.0"; // QEMU's edu device; bind yours to vfio-pci first
using container = Container.open();
using group = container.addGroup(iommuGroupOf(bdf)); // viable? join, set the IOMMU type
using dma = new DmaMapper(container, { iova: "physical" }); // or "allocate", without root
const buffer = dma.alloc({ bytes: 4096 }); // out of a hugepage, mapped for the device
using device = group.openDevice(bdf);
using pci = new PciDevice(device);
pci.busMaster = true; // the device may start DMA
const bar0 = pci.bar(0).open();
bar0.write64(0x80, buffer.iova); // one store of 64 bits: where the device finds the buffer
console.log(`edu 0x${bar0.read32(0).toString(16)}: DMA from IOVA 0x${bar0.read64(0x80).toString(16)}`);

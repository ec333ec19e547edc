import { DmaMapper, HugepageMemory } from "@vfio/dma";
import { PciDevice } from "@vfio/pci-bar";
import { Container, iommuGroupOf } from "@vfio/vfio-core";

const bdf = "0000:00:10.0"; // QEMU's edu device; bind yours to vfio-pci first
using container = Container.open();
using group = container.addGroup(iommuGroupOf(bdf)); // viable? join, set the IOMMU type
using memory = HugepageMemory.allocate({ bytes: 64 << 20 });
using dma = new DmaMapper(container, { iova: "physical" });
const mapping = dma.map(memory); // all of it, in as few ioctls as possible
using device = group.openDevice(bdf);
using pci = new PciDevice(device);
const bar0 = pci.bar(0).map();
const interrupts = pci.setUpInterrupts(); // MSI-X, MSI or INTx; not enabled yet
pci.busMaster = true;

new Uint8Array(memory.buffer).fill(0xa5, 0, 4000);
interrupts.enable();
bar0.write64(0x80, mapping.iovaOf(0, 4000)); // from: the memory, as the device sees it
bar0.write64(0x88, 0x40000n); // to: the device's own buffer
bar0.write64(0x90, 4000n);
bar0.write64(0x98, 1n | 4n); // start, and interrupt when done
const count = await interrupts.vector(0).wait({ timeoutMs: 5000 });
console.log(`${count} interrupt: the device has the bytes`);

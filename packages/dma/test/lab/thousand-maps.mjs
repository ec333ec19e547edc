// Maps and maps, says so in the middle, and does not end: a process to be killed. Run with the group's node as its argument.
import { setInterval } from "node:timers";
import { ioctl, openFile } from "@vfio/ioctl-native";
import { vfioIoctls } from "@vfio/ioctl-native/vfio";
import { DmaMapper, HugepageMemory } from "@vfio/dma";

const group = openFile(process.argv[2]);
const container = openFile("/dev/vfio/vfio");
ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
ioctl(container, vfioIoctls.VFIO_SET_IOMMU, 3);
const mapper = new DmaMapper(container, { iova: "allocate" });
for (let count = 1; count <= 1000; count++) {
  mapper.map(HugepageMemory.allocate({ bytes: 4096, pageBytes: count % 10 === 0 ? 2 << 20 : 4096 }));
  if (count === 500) console.log("in the middle");
}
setInterval(() => [group, container, mapper], 2 ** 30);

import { ioctl, openFile, type Fd } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { describeAddressSpace, leavesNothingBehind } from "@vfio/test-support";
import { HugepageMemory, Type1Space } from "../../src/index.js";
import { groupNode } from "./machine.js";

leavesNothingBehind();

describeAddressSpace("a container of this kernel", () => {
  const container = openFile("/dev/vfio/vfio");
  const memory = HugepageMemory.allocate({ bytes: 8 * 4096, pageBytes: 4096 });
  let group = joined(container);
  return {
    space: new Type1Space(container),
    memory,
    deviceLeaves: () => group.close(),
    deviceComes: () => void (group = joined(container)),
    close() {
      for (const each of [group, container, memory]) each.close();
    },
  };
});

function joined(container: Fd): Fd {
  const group = openFile(groupNode());
  ioctl(group, vfioIoctls.VFIO_GROUP_SET_CONTAINER, container.fd);
  ioctl(container, vfioIoctls.VFIO_SET_IOMMU, vfioConstants.VFIO_TYPE1v2_IOMMU);
  return group;
}

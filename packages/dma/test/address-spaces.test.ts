import { describeAddressSpace } from "@vfio/test-support";
import { FakeIommu, ManyAtOnce, memoryAt } from "./fake-iommu.js";

const SPACES = {
  "somebody else's, which maps one piece with each call": () => new FakeIommu(),
  "somebody else's, which maps several": () => new ManyAtOnce(2),
};

for (const [name, make] of Object.entries(SPACES))
  describeAddressSpace(name, () => {
    const space = make();
    return {
      space,
      memory: memoryAt(Array.from({ length: 8 }, (_, page) => BigInt(page * 4096))),
      deviceLeaves: () => space.lastGroupLeaves(),
      deviceComes: () => space.groupJoins(),
      close: () => void (space.closed = true),
    };
  });

import { useKernel } from "@vfio/ioctl-native";
import { expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { culpritsOf, Group } from "../src/index.js";
import { pciDevice, sysfsOnly } from "./fake-kernel.js";

const EDU = "0000:00:10.0";
const driver = (bdf: string): string => `/sys/bus/pci/devices/${bdf}/driver`;

describe("given a group of one device", () => {
  it.each([
    ["pci-stub", 0],
    ["pcieport", 0],
    ["mlx5_vfio_pci", 0],
    ["hisi-acc-vfio-pci", 0],
    ["e1000e", 1],
    ["uio_pci_generic", 1],
  ])("a neighbour on %s makes %i culprits", (name, culprits) => {
    using _ = useKernel(
      sysfsOnly(
        { ...pciDevice(EDU), [`/sys/kernel/iommu_groups/7/devices/${EDU}`]: "" },
        { [driver(EDU)]: `../drivers/${name}` },
      ),
    );

    expect(culpritsOf(7)).toHaveLength(culprits);
  });
});

describe("given what no group's number can be", () => {
  it.each([undefined, null, -1, 1.5, NaN, 2 ** 31, "3", "../../.."])("%j is refused everywhere", (number) => {
    using _ = useKernel(sysfsOnly({}));

    for (const use of [culpritsOf, (group: number) => Group.open(group)]) {
      expectError(() => use(number as number), `ERR_VFIO_GROUP_NUMBER … ${String(number)}`);
    }
  });
});

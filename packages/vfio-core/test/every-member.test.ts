import { useKernel } from "@vfio/ioctl-native";
import { plainErrors, showsState, type Called } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import * as core from "../src/index.js";
import { bindingKernel, bindingMachine, DEVICE } from "./binding-kernel.js";
import { pciDevice, sysfsOnly, vfioKernel } from "./fake-kernel.js";

const { Container, Group, Device } = core;

const BDF = "0000:00:10.0";
const FOLDER = `/sys/bus/pci/devices/${BDF}`;
const LINKS = {
  [`${FOLDER}/iommu_group`]: "../../kernel/iommu_groups/4",
  [`${FOLDER}/driver`]: "../../bus/pci/drivers/vfio-pci",
};
const sysfs = sysfsOnly({ ...pciDevice(BDF), [`/sys/kernel/iommu_groups/4/devices/${BDF}`]: "" }, LINKS);
const kernel = { ...vfioKernel(sysfs), closeAsync: () => Promise.resolve(0) };
const group = () => Container.open().addGroup(4);

const members: [string, Called][] = [
  ["Container itself", { make: () => Container, right: { open: [{}] } }],
  ["Group itself", { make: () => Group }],
  [
    "Device itself",
    { make: () => Device, right: { open: [{ fd: 3, number: 4 }, BDF, {}, () => undefined] } },
  ],
  ["a Container", { make: () => Container.open() }],
  ["a Group", { make: group, right: { openDevice: [BDF, {}] } }],
  ["a Device", { make: () => group().openDevice(BDF) }],
];

describe("given wrong arguments, all members answer with a coded error or with what they make of them:", () => {
  it.each(members)("%s", async (name, called) => {
    using _ = useKernel(kernel);

    expect(await plainErrors({ [name]: called })).toEqual([]);
  });

  it.each<[string, Called]>([
    [
      "the package",
      {
        make: () => ({ ...core }),
        right: { bindDriver: [DEVICE, "vfio-pci"], bindDriverAsync: [DEVICE, "vfio-pci", {}] },
        // TypeScript does not let it be called.
        except: ["Container"],
      },
    ],
    ["a DriverBinding", { make: () => core.bindDriver(DEVICE, "vfio-pci") }],
  ])("%s", async (name, called) => {
    using _ = useKernel(bindingKernel(bindingMachine("e1000e")));

    expect(await plainErrors({ [name]: called })).toEqual([]);
  });
});

describe("given somebody who prints it, its state is seen:", () => {
  it.each(members)("%s", (_, called) => {
    using _kernel = useKernel(kernel);

    expect(showsState(called)).toBe(true);
  });
});

import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { errorOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import {
  Container,
  culpritsOf,
  describePciDevice,
  iommuGroupExists,
  iommuGroupOf,
  listPciDevices,
} from "../src/index.js";
import { pciDevice, sysfsOnly } from "./fake-kernel.js";

const EDU = "0000:00:10.0";
const BRIDGE = "0000:00:13.0";
const group = (bdf: string): string => `/sys/bus/pci/devices/${bdf}/iommu_group`;
const driver = (bdf: string): string => `/sys/bus/pci/devices/${bdf}/driver`;

describe("given a machine's sysfs", () => {
  it("a device is described with its ids, driver and group; group 0 is a group like any other", () => {
    using _ = useKernel(
      sysfsOnly(pciDevice(EDU), {
        [group(EDU)]: "../../../kernel/iommu_groups/0",
        [driver(EDU)]: "../../drivers/vfio-pci",
      }),
    );

    expect(describePciDevice("00:10.0")).toEqual({
      bdf: EDU,
      vendorId: 0x1234,
      deviceId: 0x11e8,
      classCode: 0x00ff00,
      driver: "vfio-pci",
      iommuGroup: 0,
      isVirtualFunction: false,
    });
    expect(iommuGroupOf(EDU)).toBe(0);
  });

  it("all devices are listed by address, each with its class", () => {
    using _ = useKernel(sysfsOnly({ ...pciDevice(EDU), ...pciDevice(BRIDGE, { class: "0x060400" }) }));

    expect(listPciDevices()).toMatchObject([
      { bdf: EDU, classCode: 0x00ff00 },
      { bdf: BRIDGE, classCode: 0x060400 },
    ]);
  });

  it("a group exists if sysfs has its folder, bound to VFIO or not", () => {
    using _ = useKernel(sysfsOnly({ [`/sys/kernel/iommu_groups/3/devices/${EDU}`]: "" }));

    expect(iommuGroupExists(3)).toBe(true);
    expect(iommuGroupExists(4)).toBe(false);
  });

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

describe("given a device without an IOMMU group", () => {
  it("on a machine without an IOMMU in use, the error tells how to switch it on", () => {
    using _ = useKernel(sysfsOnly(pciDevice(EDU)));

    const error = errorOf(() => iommuGroupOf(EDU));

    expect(error).toMatchObject({ code: "ERR_VFIO_NO_IOMMU_GROUP" });
    expect(error.message).toContain(EDU);
    expect(error.hint).toContain("intel_iommu=on");
  });

  it("on a machine whose IOMMU covers other devices, the error says so", () => {
    using _ = useKernel(sysfsOnly({ ...pciDevice(EDU), "/sys/kernel/iommu_groups/1/type": "DMA" }));

    expect(errorOf(() => iommuGroupOf(EDU)).hint).toContain("does not cover it");
  });
});

describe("given a kernel in which opening a container goes wrong", () => {
  /** A container fd whose ioctls answer from a table; closing is counted. */
  function containerKernel(answers: Record<number, number>): { fake: Kernel; closed: number[] } {
    const closed: number[] = [];
    const fake: Partial<Kernel> = {
      open: () => 7,
      ioctl: (_fd, request, argument) => answers[request] ?? answers[request * 1000 + Number(argument)] ?? 0,
      close: (fd) => closed.push(fd) - 1,
    };
    return { fake: fake as Kernel, closed };
  }
  const API_VERSION = 0x3b64;

  it("an unknown API version is named, and the fd is closed again", () => {
    const { fake, closed } = containerKernel({ [API_VERSION]: 5 });
    using _ = useKernel(fake);

    const error = errorOf(() => Container.open());

    expect(error).toMatchObject({ code: "ERR_VFIO_API_VERSION" });
    expect(error.message).toContain("version 5");
    expect(closed).toEqual([7]);
  });

  it("no IOMMU driver: the types asked for and the module are named, and the fd is closed again", () => {
    const { fake, closed } = containerKernel({});
    using _ = useKernel(fake);

    const error = errorOf(() => Container.open());

    expect(error).toMatchObject({ code: "ERR_VFIO_NO_IOMMU_TYPE" });
    expect(error.message).toContain("type1v2 or type1");
    expect(error.hint).toContain("modprobe vfio_iommu_type1");
    expect(closed).toEqual([7]);
  });

  it.each([
    ["ENOENT", "modprobe vfio-pci"],
    ["EACCES", "chmod 0666"],
  ] as const)("%s has its remedy in the message", (name, remedy) => {
    using _ = useKernel({ open: () => errnoOf(name) } as Partial<Kernel> as Kernel);

    const error = errorOf(() => Container.open());

    expect(error).toMatchObject({ code: name, syscall: "open", path: "/dev/vfio/vfio" });
    expect(error.message).toContain(remedy);
  });
});

import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { errorOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import {
  Container,
  culpritsOf,
  describePciDevice,
  devicesOfGroup,
  Group,
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

describe("given a device that is plugged out while the machine is looked at", () => {
  const GROUP = "/sys/kernel/iommu_groups/7/devices";
  const machine = sysfsOnly(
    { ...pciDevice(EDU), ...pciDevice(BRIDGE), [`${GROUP}/${EDU}`]: "", [`${GROUP}/${BRIDGE}`]: "" },
    { [driver(EDU)]: "../drivers/e1000e", [driver(BRIDGE)]: "../drivers/e1000e" },
  );

  describe.each(["driver", "iommu_group", "physfn", "vendor", "device", "class"])(
    "when %s is read",
    (last) => {
      /** ENOENT for what is looked up then, ENODEV for what was looked up just before: so sysfs answers. */
      describe.each(["ENOENT", "ENODEV"] as const)("with %s", (errno) => {
        function unplugging(): Kernel {
          let gone = false;
          const orGone = <T>(path: string, answer: () => T): T | number => {
            if (path === `/sys/bus/pci/devices/${EDU}/${last}`) gone = true;
            return gone && path.startsWith(`/sys/bus/pci/devices/${EDU}/`) ? errnoOf(errno) : answer();
          };
          return {
            ...machine,
            readText: (path) => orGone(path, () => machine.readText(path)),
            readLink: (path) => orGone(path, () => machine.readLink(path)),
            stat: (path) => orGone(path, () => machine.stat(path)),
          };
        }

        it.each([
          ["listPciDevices", () => listPciDevices()],
          ["devicesOfGroup", () => devicesOfGroup(7)],
          ["culpritsOf", () => culpritsOf(7)],
        ])("%s leaves it out, and has the others", (_, list) => {
          using _kernel = useKernel(unplugging());

          expect(list()).toMatchObject([{ bdf: BRIDGE, driver: "e1000e", classCode: 0x00ff00 }]);
        });

        it("describePciDevice says that it is not there", () => {
          using _ = useKernel(unplugging());

          expect(errorOf(() => describePciDevice(EDU))).toMatchObject({ code: "ERR_VFIO_NO_SUCH_DEVICE" });
        });
      });
    },
  );
});

describe("given a machine without sysfs", () => {
  it.each([
    ["listPciDevices", () => listPciDevices()],
    ["describePciDevice", () => describePciDevice(EDU)],
    ["iommuGroupOf", () => iommuGroupOf(EDU)],
    ["iommuGroupExists", () => iommuGroupExists(3)],
    ["devicesOfGroup", () => devicesOfGroup(3)],
  ])("%s says so, and not that there is nothing", (_, ask) => {
    using _kernel = useKernel(sysfsOnly({ "/proc/self/stat": "" }));

    const error = errorOf(ask);

    expect(error).toMatchObject({ code: "ERR_VFIO_NO_SYSFS" });
    expect(error.hint).toContain("mount -t sysfs");
  });

  it("a machine without PCI has no devices, and that is no error", () => {
    using _ = useKernel(sysfsOnly({ "/sys/bus/usb/uevent": "" }));

    expect(listPciDevices()).toEqual([]);
  });
});

describe("given what no group's number can be", () => {
  it.each([undefined, null, -1, 1.5, NaN, 2 ** 31, "3", "../../.."])("%j is refused everywhere", (number) => {
    using _ = useKernel(sysfsOnly({}));

    for (const use of [iommuGroupExists, devicesOfGroup, culpritsOf, (group: number) => Group.open(group)]) {
      const error = errorOf(() => use(number as number));
      expect(error).toMatchObject({ code: "ERR_VFIO_GROUP_NUMBER" });
      expect(error.message).toContain(String(number));
    }
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

  it("when the groups cannot be listed, the error is the same without its hint", () => {
    const sysfs = sysfsOnly(pciDevice(EDU));
    using _ = useKernel({ ...sysfs, list: () => errnoOf("EMFILE") });

    const error = errorOf(() => iommuGroupOf(EDU));

    expect(error).toMatchObject({ code: "ERR_VFIO_NO_IOMMU_GROUP" });
    expect(error.hint).toBeUndefined();
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
  const CHECK_EXTENSION = 0x3b65;

  it("an unknown API version is named, and the fd is closed again", () => {
    const { fake, closed } = containerKernel({ [API_VERSION]: 5 });
    using _ = useKernel(fake);

    const error = errorOf(() => Container.open());

    expect(error).toMatchObject({ code: "ERR_VFIO_API_VERSION" });
    expect(error.message).toContain("version 5");
    expect(closed).toEqual([7]);
  });

  it.each(["EIO", "ENOMEM"] as const)("%s for an extension is told, not taken for a no", (name) => {
    const { fake, closed } = containerKernel({ [CHECK_EXTENSION]: errnoOf(name) });
    using _ = useKernel(fake);

    const error = errorOf(() => Container.open());

    expect(error).toMatchObject({ code: name, ioctl: "VFIO_CHECK_EXTENSION" });
    expect(closed).toEqual([7]);
  });

  it.each([7, null, { iommuType: "type2" }, { iommuType: "toString" }, { iommuType: 3 }])(
    "options of %j are refused before anything is opened",
    (options) => {
      using _ = useKernel({} as Kernel);

      const error = errorOf(() => Container.open(options as object));

      expect(error).toMatchObject({ code: "ERR_VFIO_ARGUMENT" });
      expect(error.message).toMatch(/must be (an object|type1v2 or type1), not /);
    },
  );

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

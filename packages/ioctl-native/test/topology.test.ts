import { errorOf } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import {
  devicesOfGroup,
  errnoOf,
  iommuGroupExists,
  iommuGroupOf,
  listPciDevices,
  useKernel,
  type Kernel,
} from "../src/index.js";
import { describePciDevice } from "../src/internal.js";
import { pciDevice, sysfsOnly } from "./support/fake-kernel.js";

const EDU = "0000:00:10.0";
const BRIDGE = "0000:00:13.0";
const group = (bdf: string): string => `/sys/bus/pci/devices/${bdf}/iommu_group`;
const useSysfs = (...tables: Parameters<typeof sysfsOnly>): Disposable => useKernel(sysfsOnly(...tables));
const driver = (bdf: string): string => `/sys/bus/pci/devices/${bdf}/driver`;

describe("given a machine's sysfs", () => {
  it("a device is described with its ids, driver and group; group 0 is a group like any other", () => {
    const links = { [group(EDU)]: "../../../kernel/iommu_groups/0", [driver(EDU)]: "../../drivers/vfio-pci" };
    using _ = useSysfs(pciDevice(EDU), links);

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

  it.each([
    ["0", 0],
    ["1", 1],
    ["-1", undefined],
    [undefined, undefined],
  ])("a device whose numa_node reads %j is on node %j", (text, node) => {
    using _ = useSysfs(pciDevice(EDU, text === undefined ? {} : { numa_node: text }));
    expect(describePciDevice(EDU).numaNode).toBe(node);
  });

  it("all devices are listed by address, each with its class", () => {
    using _ = useSysfs({ ...pciDevice(EDU), ...pciDevice(BRIDGE, { class: "0x060400" }) });

    expect(listPciDevices()).toMatchObject([
      { bdf: EDU, classCode: 0x00ff00 },
      { bdf: BRIDGE, classCode: 0x060400 },
    ]);
  });

  it("a group exists if sysfs has its folder, bound to VFIO or not", () => {
    using _ = useSysfs({ [`/sys/kernel/iommu_groups/3/devices/${EDU}`]: "" });
    expect([iommuGroupExists(3), iommuGroupExists(4)]).toEqual([true, false]);
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
    using _kernel = useSysfs({ "/proc/self/stat": "" });
    const error = errorOf(ask);
    expect(error).toMatchObject({ code: "ERR_VFIO_NO_SYSFS" });
    expect(error.hint).toContain("mount -t sysfs");
  });

  it("a machine without PCI has no devices, and that is no error", () => {
    using _ = useSysfs({ "/sys/bus/usb/uevent": "" });
    expect(listPciDevices()).toEqual([]);
  });
});

describe("given what no group's number can be", () => {
  it.each([undefined, null, -1, 1.5, NaN, 2 ** 31, "3", "../../.."])("%j is refused everywhere", (number) => {
    using _ = useSysfs({});
    for (const use of [iommuGroupExists, devicesOfGroup]) {
      const error = errorOf(() => use(number as number));
      expect(error).toMatchObject({ code: "ERR_VFIO_GROUP_NUMBER" });
      expect(error.message).toContain(String(number));
    }
  });
});

describe("given a device without an IOMMU group", () => {
  it.each([
    ["without an IOMMU in use, the error tells how to switch it on", {}, "intel_iommu=on"],
    [
      "whose IOMMU covers others, it says so",
      { "/sys/kernel/iommu_groups/1/type": "DMA" },
      "does not cover it",
    ],
  ])("on a machine %s", (_, groups, hint) => {
    using _kernel = useSysfs({ ...pciDevice(EDU), ...groups });
    const error = errorOf(() => iommuGroupOf(EDU));
    expect(error).toMatchObject({ code: "ERR_VFIO_NO_IOMMU_GROUP" });
    expect(error.message).toContain(EDU);
    expect(error.hint).toContain(hint);
  });

  it("when the groups cannot be listed, the error is the same without its hint", () => {
    using _ = useKernel({ ...sysfsOnly(pciDevice(EDU)), list: () => errnoOf("EMFILE") });
    const error = errorOf(() => iommuGroupOf(EDU));
    expect([error.code, error.hint]).toEqual(["ERR_VFIO_NO_IOMMU_GROUP", undefined]);
  });
});

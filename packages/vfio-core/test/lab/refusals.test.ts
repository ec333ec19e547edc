import { spawn } from "node:child_process";
import { once } from "node:events";
import { errorOf, finished, processState } from "@vfio/test-support";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  bindDriver,
  Container,
  describePciDevice,
  devicesOfGroup,
  Group,
  iommuGroupOf,
} from "../../src/index.js";

const EDU = "0000:00:10.0";
const TEST_DEVICE = "0000:00:14.0";
const BRIDGED = "0000:01:01.0";
const BRIDGED_NEIGHBOUR = "0000:01:02.0";
/** A kernel driver that keeps a device from VFIO. pci-stub would not: it leaves DMA to userspace. */
const OTHER_DRIVER = "uio_pci_generic";

beforeAll(() => {
  expect(finished("modprobe", [OTHER_DRIVER])).toMatchObject({ status: 0 });
});

let before: ReturnType<typeof processState>;
beforeEach(() => {
  before = processState();
});
afterEach(() => {
  expect(processState()).toEqual(before);
});

describe("given a device that is not there, or not VFIO's", () => {
  it("a BDF without a device is named", () => {
    const error = errorOf(() => iommuGroupOf("0000:00:0f.0"));

    expect(error).toMatchObject({ code: "ERR_VFIO_NO_SUCH_DEVICE" });
    expect(error.message).toContain("there is no PCI device 0000:00:0f.0");
  });

  it("a device on another driver: its group is not bound, the driver and the way to bind it are named", () => {
    using binding = bindDriver(TEST_DEVICE, OTHER_DRIVER);
    using container = Container.open();
    const error = errorOf(() => container.addGroup(iommuGroupOf(TEST_DEVICE)));

    expect(error).toMatchObject({ code: "ERR_VFIO_GROUP_NOT_BOUND" });
    expect(error.message).toContain(`${TEST_DEVICE} (${OTHER_DRIVER})`);
    expect(error.hint).toContain("driver_override");
    binding.restore();
    expect(describePciDevice(TEST_DEVICE).driver).toBe("vfio-pci");
  });

  it("a device without a driver in a group that is VFIO's: the device is refused, the group is not", () => {
    expect(describePciDevice(BRIDGED_NEIGHBOUR).driver).toBeUndefined();
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(BRIDGED));

    const error = errorOf(() => group.openDevice(BRIDGED_NEIGHBOUR));

    expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_NOT_BOUND" });
    expect(error.message).toContain(`${BRIDGED_NEIGHBOUR} is bound to no driver`);
  });

  it("a device of another group: both groups and this one's members are named", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(BRIDGED));

    const error = errorOf(() => group.openDevice(EDU));

    expect(error).toMatchObject({ code: "ERR_VFIO_DEVICE_NOT_IN_GROUP" });
    expect(error.message).toContain(
      `${EDU} is in IOMMU group ${iommuGroupOf(EDU)}, not in group ${group.number}`,
    );
    expect(error.message).toContain(BRIDGED);
  });

  it("a group that does not exist is named, as is the way to see those that do", () => {
    const error = errorOf(() => Group.open(9999));

    expect(error).toMatchObject({ code: "ERR_VFIO_NO_SUCH_GROUP" });
    expect(error.message).toContain("9999");
  });

  it("a driver that is not loaded: binding says so, and the former driver has the device again", () => {
    const error = errorOf(() => bindDriver(TEST_DEVICE, "no_such_driver"));

    expect(error).toMatchObject({ code: "ERR_VFIO_BIND_FAILED" });
    expect(error.message).toContain("no_such_driver");
    expect(describePciDevice(TEST_DEVICE).driver).toBe("vfio-pci");
  });
});

describe("given a group with two devices behind a bridge", () => {
  it("when both are VFIO's, both open through the one group", () => {
    using _ = bindDriver(BRIDGED_NEIGHBOUR, "vfio-pci");
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(BRIDGED));
    using first = group.openDevice(BRIDGED);
    using second = group.openDevice(BRIDGED_NEIGHBOUR);

    expect([first.bdf, second.bdf]).toEqual([BRIDGED, BRIDGED_NEIGHBOUR]);
  });

  it("when one is on another driver, the group is not viable: members are listed, the culprit marked, and the way out", () => {
    using binding = bindDriver(BRIDGED_NEIGHBOUR, OTHER_DRIVER);
    using container = Container.open();
    const error = errorOf(() => container.addGroup(iommuGroupOf(BRIDGED)));

    expect(error).toMatchObject({ code: "ERR_VFIO_GROUP_NOT_VIABLE" });
    expect(error.message).toContain(`${BRIDGED} (vfio-pci)`);
    expect(error.message).toContain(`${BRIDGED_NEIGHBOUR} (${OTHER_DRIVER}, in the way)`);
    expect(error.hint).toContain(
      `echo ${BRIDGED_NEIGHBOUR} > /sys/bus/pci/devices/${BRIDGED_NEIGHBOUR}/driver/unbind`,
    );
    expect(container.groups).toEqual([]);
    binding.restore();
    expect(devicesOfGroup(iommuGroupOf(BRIDGED))).toHaveLength(3);
  });
});

describe("given a group that is open already", () => {
  it("in this process: EBUSY names this process, and nobody is told to end it", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(EDU));
    using other = Container.open();

    const error = errorOf(() => other.addGroup(group.number));

    expect(error).toMatchObject({ code: "EBUSY", syscall: "open", path: `/dev/vfio/${group.number}` });
    expect(error.message).toContain(`This process (pid ${process.pid})`);
    expect(error.message).not.toContain("end it");
  });

  it("in another process: EBUSY names that one, and the way to share", async () => {
    const number = iommuGroupOf(EDU);
    const holder = await groupHolder(number);
    try {
      const error = errorOf(() => Group.open(number));

      expect(error).toMatchObject({ code: "EBUSY" });
      expect(error.message).toContain(`pid ${holder.pid} (`);
      expect(error.hint).toContain("@vfio/mp-sync");
    } finally {
      holder.kill("SIGKILL");
      await once(holder, "close");
    }
    Group.open(number).close();
  });
});

/** Another process that has the group open. */
async function groupHolder(number: number) {
  const holder = spawn("sh", ["-c", `exec 3<>/dev/vfio/${number}; echo open; exec sleep 100`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return holder;
}

describe("given a VF token for a device that has none", () => {
  it("the kernel refuses it, and the error says to leave it out", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(EDU));

    const error = errorOf(() => group.openDevice(EDU, { vfToken: "2ab74924-c335-45f4-9b16-8569e5b08258" }));

    expect(error).toMatchObject({ code: "EINVAL", ioctl: "VFIO_GROUP_GET_DEVICE_FD" });
    expect(error.hint).toContain("Leave vfToken out");
  });
});

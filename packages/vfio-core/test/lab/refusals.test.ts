import { spawn } from "node:child_process";
import { once } from "node:events";
import { finished, leavesNothingBehind, expectError } from "@vfio/test-support";
import { beforeAll, describe, expect, it } from "vitest";
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

leavesNothingBehind();

describe("given a device that is not there, or not VFIO's", () => {
  it("a BDF without a device is named", () => {
    expectError(
      () => iommuGroupOf("0000:00:0f.0"),
      "ERR_VFIO_NO_SUCH_DEVICE … there is no PCI device 0000:00:0f.0",
    );
  });

  it("a device on another driver: its group is not bound, the driver and the way to bind it are named", () => {
    using binding = bindDriver(TEST_DEVICE, OTHER_DRIVER);
    using container = Container.open();
    expectError(
      () => container.addGroup(iommuGroupOf(TEST_DEVICE)),
      `ERR_VFIO_GROUP_NOT_BOUND … ${TEST_DEVICE} (${OTHER_DRIVER}) … driver_override`,
    );
    binding.restore();
    expect(describePciDevice(TEST_DEVICE).driver).toBe("vfio-pci");
  });

  it("a device without a driver in a group that is VFIO's: the device is refused, the group is not", () => {
    expect(describePciDevice(BRIDGED_NEIGHBOUR).driver).toBeUndefined();
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(BRIDGED));

    expectError(
      () => group.openDevice(BRIDGED_NEIGHBOUR),
      `ERR_VFIO_DEVICE_NOT_BOUND … ${BRIDGED_NEIGHBOUR} is bound to no driver`,
    );
  });

  it("a device of another group: both groups and this one's members are named", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(BRIDGED));

    expectError(
      () => group.openDevice(EDU),
      `ERR_VFIO_DEVICE_NOT_IN_GROUP … ${EDU} is in IOMMU group ${iommuGroupOf(EDU)}, not in group ${group.number} … ${BRIDGED}`,
    );
  });

  it("a group that does not exist is named, as is the way to see those that do", () => {
    expectError(() => Group.open(9999), "ERR_VFIO_NO_SUCH_GROUP … 9999");
  });

  it("a driver that is not loaded: binding says so, and the former driver has the device again", () => {
    expectError(() => bindDriver(TEST_DEVICE, "no_such_driver"), "ERR_VFIO_BIND_FAILED … no_such_driver");
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
    expectError(
      () => container.addGroup(iommuGroupOf(BRIDGED)),
      `ERR_VFIO_GROUP_NOT_VIABLE … ${BRIDGED} (vfio-pci) … ${BRIDGED_NEIGHBOUR} (${OTHER_DRIVER}, in the way) … echo ${BRIDGED_NEIGHBOUR} > /sys/bus/pci/devices/${BRIDGED_NEIGHBOUR}/driver/unbind`,
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

    const error = expectError(
      () => other.addGroup(group.number),
      `EBUSY … This process (pid ${process.pid})`,
      { syscall: "open", path: `/dev/vfio/${group.number}` },
    );
    expect(error.message).not.toContain("end it");
  });

  it("in another process: EBUSY names that one, and the way to share", async () => {
    const number = iommuGroupOf(EDU);
    const holder = await groupHolder(number);
    try {
      expectError(() => Group.open(number), `EBUSY … pid ${holder.pid} ( … @vfio/mp-sync`);
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

    expectError(
      () => group.openDevice(EDU, { vfToken: "2ab74924-c335-45f4-9b16-8569e5b08258" }),
      "EINVAL … Leave vfToken out",
      { ioctl: "VFIO_GROUP_GET_DEVICE_FD" },
    );
  });
});

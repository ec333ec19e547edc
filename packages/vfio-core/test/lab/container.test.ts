import { leavesNothingBehind, expectError } from "@vfio/test-support";
import { vfioConstants } from "@vfio/ioctl-native/vfio";
import { describe, expect, it } from "vitest";
import { Container, Group, iommuGroupOf } from "../../src/index.js";

const EDU = "0000:00:10.0";
const NVME = "0000:00:11.0";

leavesNothingBehind();

describe("given a machine with an IOMMU and a device bound to vfio-pci", () => {
  it("a container opens, knows its API version, and prefers type1v2", () => {
    using container = Container.open();

    expect(container.apiVersion).toBe(0);
    expect(container.iommuType).toBe("type1v2");
    expect(container.supports(vfioConstants.VFIO_TYPE1_IOMMU)).toBe(true);
    expect(container.supports(vfioConstants.VFIO_NOIOMMU_IOMMU)).toBe(false);
  });

  it("a group joins it, and then the IOMMU tells its page sizes, ranges and mappings left", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(EDU));

    expect(group.status()).toEqual({ viable: true, inContainer: true });
    const info = container.iommuInfo();
    expect(info.smallestPage).toBe(4096);
    expect(info.mappingsLeft).toBe(65535);
    // The window of message-signalled interrupts is left out, and range ends are inclusive.
    expect(info.iovaRanges).toEqual([
      { start: 0n, end: 0xfedfffffn },
      { start: 0xfef00000n, end: (1n << 39n) - 1n },
    ]);
  });

  it("two groups join one container, and each opens its device", () => {
    using container = Container.open();
    using edu = container.addGroup(iommuGroupOf(EDU));
    using nvme = container.addGroup(iommuGroupOf(NVME));
    using eduDevice = edu.openDevice(EDU);
    using nvmeDevice = nvme.openDevice(NVME);

    expect(container.groups).toEqual([edu, nvme]);
    expect(eduDevice.info).toMatchObject({ isPci: true, canReset: false, regions: 9, interrupts: 5 });
    expect(nvmeDevice.info.canReset).toBe(true);
  });

  it("after the last group left, the next one sets the IOMMU type anew", () => {
    using container = Container.open();
    container.addGroup(iommuGroupOf(EDU)).close();
    using group = container.addGroup(iommuGroupOf(NVME));
    using device = group.openDevice(NVME);

    expect(device.info.isPci).toBe(true);
  });

  it("a forced IOMMU type is the one that is set", () => {
    using container = Container.open({ iommuType: "type1" });
    using group = container.addGroup(iommuGroupOf(EDU));

    expect(container.iommuType).toBe("type1");
    expect(group.status().inContainer).toBe(true);
  });

  it("the same device opens twice through one group, as a secondary process does it", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(EDU));
    using shared = Group.from(group);
    using first = group.openDevice(EDU);
    using second = shared.openDevice(EDU);

    expect(second.fd).not.toBe(first.fd);
    expect(second.info).toEqual(first.info);
  });
});

describe("given things closed in the wrong order, or used too early", () => {
  it("a container without a group has no IOMMU info: the error says to add a group first", () => {
    using container = Container.open();

    expectError(() => container.iommuInfo(), "EINVAL … add a group first", {
      syscall: "ioctl",
      ioctl: "VFIO_IOMMU_GET_INFO",
    });
  });

  it("a group outside a container opens no device: the error says what is missing", () => {
    using group = Group.open(iommuGroupOf(EDU));

    expectError(() => group.openDevice(EDU), `EINVAL … ${EDU} … must be in a container`, {
      ioctl: "VFIO_GROUP_GET_DEVICE_FD",
    });
  });

  it("a container with a group refuses to close, and so does a group with a device, and a device that is held", () => {
    using container = Container.open();
    using group = container.addGroup(iommuGroupOf(EDU));
    using device = group.openDevice(EDU);
    using _hold = device.hold("the mapping of BAR0");
    device.hold("the mapping of BAR0")[Symbol.dispose]();

    expectError(() => container.close(), "ERR_VFIO_CONTAINER_IN_USE");
    expectError(() => group.close(), "ERR_VFIO_GROUP_IN_USE");
    expectError(() => device.close(), "ERR_VFIO_DEVICE_IN_USE … the mapping of BAR0");
  });

  it("closing twice does nothing, and everything used after its close says so", () => {
    const container = Container.open();
    const group = container.addGroup(iommuGroupOf(EDU));
    const device = group.openDevice(EDU);
    for (const resource of [device, group, container, device, group, container]) resource.close();

    for (const use of [() => device.fd, () => group.status(), () => container.apiVersion]) {
      const error = expectError(use, "ERR_VFIO_CLOSED");
      expect(error.message).toMatch(/PCI device 0000:00:10\.0|IOMMU group \d+|the VFIO container/);
    }
  });
});

import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { errorOf, expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Container, Group } from "../src/index.js";
import { pciDevice, sysfsOnly, vfioKernel } from "./fake-kernel.js";

const FUNCTION = "0000:03:10.0";
const FOLDER = `/sys/bus/pci/devices/${FUNCTION}`;

/** A machine with one device in group 0, bound to vfio-pci. */
function machine() {
  return sysfsOnly(pciDevice(FUNCTION), {
    [`${FOLDER}/iommu_group`]: "../../../kernel/iommu_groups/0",
    [`${FOLDER}/driver`]: "../../drivers/vfio-pci",
  });
}

describe("given a group that may not be opened", () => {
  it.each([
    ["EACCES", "chown $USER /dev/vfio/0"],
    ["EPERM", "--device /dev/vfio/0"],
  ] as const)("%s names the group, its path and the remedy", (name, remedy) => {
    using _ = useKernel(vfioKernel(machine(), { open: () => errnoOf(name) }));

    expectError(() => Group.open(0), `${name} … cannot open IOMMU group 0 (/dev/vfio/0) … ${remedy}`, {
      syscall: "open",
      path: "/dev/vfio/0",
    });
  });

  it("another errno has no remedy that would mislead", () => {
    using _ = useKernel(vfioKernel(machine(), { open: () => errnoOf("EMFILE") }));

    expectError(() => Group.open(0), "EMFILE", { path: "/dev/vfio/0", hint: undefined });
  });
});

describe("given a kernel whose close fails", () => {
  it("device, group and container report it, are closed all the same, and free what they were in", () => {
    using _ = useKernel(vfioKernel(machine(), { close: () => errnoOf("EIO") }));
    const container = Container.open();
    const group = container.addGroup(0);
    const device = group.openDevice(FUNCTION);

    for (const [resource, name] of [
      [device, `PCI device ${FUNCTION}`],
      [group, "IOMMU group 0"],
      [container, "the VFIO container"],
    ] as const) {
      expectError(() => resource.close(), `EIO … cannot close ${name}`, { syscall: "close" });
      expectError(() => resource.fd, "ERR_VFIO_CLOSED");
      resource.close();
    }
    expect(container.groups).toEqual([]);
  });
});

describe("given a container with listeners, of which some throw", () => {
  /** Of three, in this order. */
  function listeningContainer(thrown = 2) {
    const container = Container.open();
    const called: number[] = [];
    [1, 2, 3].forEach((number) =>
      container.onGroupAdded(() => {
        called.push(number);
        if (number <= thrown) throw new Error(`listener ${number}`);
      }),
    );
    return { container, called };
  }

  it("attach calls all of them and throws the first one's error; the group stays attached", () => {
    using _ = useKernel(vfioKernel(machine()));
    const { container, called } = listeningContainer();
    const group = Group.open(0);

    const error = errorOf(() => container.attach(group));

    expect(error.message).toBe("listener 1");
    expect(called).toEqual([1, 2, 3]);
    expect(container.groups).toEqual([group]);
    group.close();
    container.close();
  });

  it.each([1, 2])("addGroup throws it too, of %d that throw, and closes the group again", (thrown) => {
    using _ = useKernel(vfioKernel(machine()));
    const { container, called } = listeningContainer(thrown);

    expect(errorOf(() => container.addGroup(0)).message).toBe("listener 1");

    expect(called).toEqual([1, 2, 3]);
    expect(container.groups).toEqual([]);
    container.close();
  });
});

import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { rejectionOf, expectError, expectRejection } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Container } from "../src/index.js";
import { pciDevice, sysfsOnly, vfioKernel } from "./fake-kernel.js";

const BDF = "0000:03:00.0";
const FOLDER = `/sys/bus/pci/devices/${BDF}`;

/** A kernel in which closing off the event loop takes until the test lets it go on. */
function slowKernel(answer = 0) {
  const closes: (() => void)[] = [];
  const sysfs = sysfsOnly(pciDevice(BDF), {
    [`${FOLDER}/iommu_group`]: "../3",
    [`${FOLDER}/driver`]: "../vfio-pci",
  });
  const kernel: Kernel = {
    ...vfioKernel(sysfs),
    closeAsync: () => new Promise((resolve) => closes.push(() => resolve(answer))),
  };
  return { kernel, closes };
}

function openAll() {
  const container = Container.open();
  const group = container.addGroup(3);
  return { container, group, device: group.openDevice(BDF) };
}

describe("given an open device, its group and its container", () => {
  it("closing them off the event loop: each is closed at once, and busies the next until the kernel is done", async () => {
    const { kernel, closes } = slowKernel();
    using _ = useKernel(kernel);
    const { container, group, device } = openAll();

    const closingDevice = device.closeAsync();
    expectError(() => device.fd, "ERR_VFIO_CLOSED");
    expectError(() => group.close(), "ERR_VFIO_GROUP_IN_USE");
    await expectRejection(group.closeAsync(), "ERR_VFIO_GROUP_IN_USE");
    closes.shift()?.();
    await closingDevice;

    const closingGroup = group.closeAsync();
    await expectRejection(container.closeAsync(), "ERR_VFIO_CONTAINER_IN_USE … it still has group 3");
    closes.shift()?.();
    await closingGroup;

    const closingContainer = container.closeAsync();
    closes.shift()?.();
    await closingContainer;
    expectError(() => container.fd, "ERR_VFIO_CLOSED");
  });

  it("closing twice: the second waits for the first, a third does nothing", async () => {
    const { kernel, closes } = slowKernel();
    using _ = useKernel(kernel);
    const { container, group, device } = openAll();

    for (const resource of [device, group, container]) {
      let settled = 0;
      const both = [resource.closeAsync(), resource.closeAsync()].map((each) => each.then(() => settled++));
      await new Promise((resolve) => setImmediate(resolve));
      expect([closes.length, settled]).toEqual([1, 0]);
      closes.shift()?.();
      await Promise.all(both);
      await resource.closeAsync();
      resource.close();
    }
  });

  it("a kernel that fails to close them: that is told once, they are closed all the same, and free the next", async () => {
    const { kernel, closes } = slowKernel(errnoOf("EIO"));
    using _ = useKernel(kernel);
    const { container, group, device } = openAll();

    for (const resource of [device, group, container]) {
      const failure = rejectionOf(resource.closeAsync());
      closes.shift()?.();
      expect(await failure).toMatchObject({ code: "EIO", syscall: "close" });
      await resource.closeAsync();
    }
  });

  it("a signal that is aborted already, or options that are none: nothing is closed", async () => {
    const { kernel, closes } = slowKernel();
    using _ = useKernel(kernel);
    const { container, group, device } = openAll();
    const signal = AbortSignal.abort(new Error("not now"));

    for (const resource of [device, group, container]) {
      expect((await rejectionOf(resource.closeAsync({ signal }))).message).toBe("not now");
      await expectRejection(
        resource.closeAsync(7 as never),
        "ERR_VFIO_ARGUMENT … the options of closeAsync()",
      );
      expect([resource.fd > 0, closes.length]).toEqual([true, 0]);
    }
    for (const resource of [device, group, container]) resource.close();
  });

  it("a device that is held is not closed; once it is not, it is", async () => {
    const { kernel, closes } = slowKernel();
    using _ = useKernel(kernel);
    const { container, group, device } = openAll();
    const hold = device.hold("the mapping of BAR0");

    await expectRejection(device.closeAsync(), "ERR_VFIO_DEVICE_IN_USE … the mapping of BAR0");

    hold[Symbol.dispose]();
    const disposing = device[Symbol.asyncDispose]();
    closes.shift()?.();
    await disposing;
    for (const resource of [group, container]) resource.close();
  });

  it("what listens to a group's close is called once, whichever way it is closed, also behind one that throws", async () => {
    const { kernel, closes } = slowKernel();
    using _ = useKernel(kernel);
    for (const way of ["close", "closeAsync"] as const) {
      const container = Container.open();
      const group = container.addGroup(3);
      let calls = 0;
      group.onClose(() => {
        throw new Error("no");
      });
      group.onClose(() => calls++);

      const closing = rejectionOf(Promise.resolve().then(() => group[way]()));
      await Promise.resolve();
      closes.shift()?.();

      expect([(await closing).message, calls, container.groups]).toEqual(["no", 1, []]);
    }
  });
});

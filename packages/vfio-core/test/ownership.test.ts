import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { errorOf, expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Container, Group } from "../src/index.js";
import { pciDevice, sysfsOnly, vfioKernel } from "./fake-kernel.js";

const BDF = "0000:03:00.0";
const NEIGHBOUR = "0000:04:00.0";
const TOKEN = "2ab74924-c335-45f4-9b16-8569e5b08258";
const { VFIO_DEVICE_FLAGS_RESET: RESET, VFIO_DEVICE_FLAGS_PCI: PCI } = vfioConstants;
const { VFIO_CHECK_EXTENSION, VFIO_DEVICE_GET_INFO, VFIO_GROUP_GET_DEVICE_FD, VFIO_SET_IOMMU } = vfioIoctls;

/** An ioctl. */
interface Asked {
  readonly request: number;
  readonly argument: number | Uint8Array;
}

/** A machine with a device of VFIO's in group 3 and a neighbour in group 4: what is open in it, and what it was asked. */
function machine(
  replaced: Partial<Kernel> = {},
  ioctls: Readonly<Record<number, (argument: number | Uint8Array) => number>> = {},
  groupFlags?: number,
  types?: readonly number[],
) {
  const folder = `/sys/bus/pci/devices/${BDF}`;
  const other = `/sys/bus/pci/devices/${NEIGHBOUR}`;
  const sysfs = sysfsOnly(
    {
      ...pciDevice(BDF),
      ...pciDevice(NEIGHBOUR),
      [`/sys/kernel/iommu_groups/3/devices/${BDF}`]: "",
      [`/sys/kernel/iommu_groups/4/devices/${NEIGHBOUR}`]: "",
    },
    {
      [`${folder}/iommu_group`]: "../3",
      [`${folder}/driver`]: "../vfio-pci",
      [`${other}/iommu_group`]: "../4",
      [`${other}/driver`]: "../e1000e",
    },
  );
  const open = new Set<number>();
  const asked: Asked[] = [];
  const vfio = vfioKernel(sysfs, { ioctls, ...(groupFlags !== undefined && { groupFlags }) });
  const opened = (fd: number): number => {
    if (fd >= 0) open.add(fd);
    return fd;
  };
  const kernel: Kernel = {
    ...vfio,
    open: (...args: Parameters<typeof vfio.open>) => opened(vfio.open(...args)),
    dup: () => opened(99),
    close: (fd: number) => (open.delete(fd) ? 0 : errnoOf("EBADF")),
    ioctl: (fd: number, request: number, argument: number | Uint8Array) => {
      asked.push({ request, argument });
      if (types !== undefined && request === VFIO_CHECK_EXTENSION.number)
        return Number(types.includes(argument as number));
      const answer = vfio.ioctl(fd, request, argument);
      return request === VFIO_GROUP_GET_DEVICE_FD.number ? opened(answer) : answer;
    },
    closeAsync: (fd: number) => Promise.resolve(kernel.close(fd)),
    ...replaced,
  };
  const used = useKernel(kernel);
  return { open, asked, [Symbol.dispose]: () => used[Symbol.dispose]() };
}

/** What was asked with a request, each argument that is a text as one. */
function argumentsOf(asked: readonly Asked[], { number }: { readonly number: number }): unknown[] {
  const all = asked.filter(({ request }) => request === number).map(({ argument }) => argument);
  return all.map((each) =>
    typeof each === "object" ? Buffer.from(each).toString("latin1").replace(/\0.*/, "") : each,
  );
}

describe("given a block that opens a container, a group and a device", () => {
  it("when it ends, all three are closed", () => {
    using given = machine();
    {
      using container = Container.open();
      using group = container.addGroup(3);
      using device = group.openDevice(BDF);
      expect([...given.open]).toEqual([container.fd, group.fd, device.fd]);
    }
    expect([...given.open]).toEqual([]);
  });

  it("when it ends off the event loop, all three are, too", async () => {
    using given = machine();
    {
      await using container = Container.open();
      await using group = container.addGroup(3);
      await using _device = group.openDevice(BDF);
    }
    expect([...given.open]).toEqual([]);
  });

  it("what fails on the way leaves nothing open: no IOMMU, a group that is not viable, a device that says nothing", () => {
    const eio = () => errnoOf("EIO");
    for (const [ioctls, flags] of [
      [{ [VFIO_CHECK_EXTENSION.number]: () => 0 }],
      [{}, 0],
      [{ [VFIO_SET_IOMMU.number]: eio }],
      [{ [VFIO_DEVICE_GET_INFO.number]: eio }],
    ] as const) {
      using given = machine({}, ioctls, flags);
      errorOf(() => {
        using container = Container.open();
        using group = container.addGroup(3);
        group.openDevice(BDF);
      });
      expect([...given.open]).toEqual([]);
    }
  });
});

describe("given resources that are closed already", () => {
  it("while one is being closed off the event loop, closing it again does not free what it is in early", async () => {
    let finish = (): void => undefined;
    using _ = machine({ closeAsync: () => new Promise((resolve) => (finish = () => resolve(0))) });
    using container = Container.open();
    const group = container.addGroup(3);
    const device = group.openDevice(BDF);
    let calls = 0;
    group.onClose(() => calls++);

    const deviceClosed = device.closeAsync();
    device.close();
    expectError(() => group.close(), "ERR_VFIO_GROUP_IN_USE");
    finish();
    await deviceClosed;

    const groupClosed = group.closeAsync();
    group.close();
    expect([container.groups, calls]).toEqual([[group], 0]);
    finish();
    await groupClosed;
    group.close();
    expect([container.groups, calls]).toEqual([[], 1]);
  });

  it("closing a group twice calls its listeners once", () => {
    using _ = machine();
    const group = Group.open(3);
    let calls = 0;
    group.onClose(() => calls++);

    group.close();
    group.close();

    expect(calls).toBe(1);
  });

  it("a listener of a container that is disposed of hears of no more groups", () => {
    using _ = machine();
    using container = Container.open();
    let calls = 0;
    const listening = container.onGroupAdded(() => calls++);
    container.addGroup(3).close();
    listening[Symbol.dispose]();

    container.addGroup(3).close();

    expect(calls).toBe(1);
  });
});

describe("given a group that another process has handed over", () => {
  it("its fd is duplicated: closing this one leaves that one open", () => {
    using given = machine();
    given.open.add(7);

    using group = Group.from({ fd: 7, number: 3 });
    expect([group.fd, group.number]).toEqual([99, 3]);
    group.close();

    expect([...given.open]).toEqual([7]);
  });

  it("if that fails, the error names the group", () => {
    using _ = machine({ dup: () => errnoOf("EMFILE") });

    expectError(() => Group.from({ fd: 7, number: 3 }), "EMFILE … cannot duplicate the fd of IOMMU group 3", {
      syscall: "fcntl",
    });
  });
});

describe("given a container that another process has handed over", () => {
  it("its fd is duplicated: closing this one leaves that one open, and groups can join meanwhile", () => {
    using given = machine();
    given.open.add(7);

    using container = Container.from({ fd: 7 });
    using group = container.addGroup(3);
    expect([container.fd, container.iommuType]).toEqual([99, "type1v2"]);
    group.close();
    container.close();

    expect([...given.open]).toEqual([7]);
  });

  it("if it is none, that is said, and the duplicate is closed", () => {
    using given = machine({ ioctl: () => errnoOf("ENOTTY") });
    given.open.add(7);

    expectError(() => Container.from({ fd: 7 }), "ENOTTY", { ioctl: "VFIO_GET_API_VERSION" });
    expect([...given.open]).toEqual([7]);
  });

  it.each([
    ["no object", undefined],
    ["no fd", {}],
  ])("%s: refused by name", (_what, source) => {
    expectError(() => Container.from(source as never), "ERR_VFIO_ARGUMENT");
  });
});

describe("given a kernel that has some types of IOMMU", () => {
  const { VFIO_TYPE1_IOMMU: TYPE1, VFIO_TYPE1v2_IOMMU: TYPE1V2 } = vfioConstants;

  it.each([
    ["both: the second version is taken", [TYPE1, TYPE1V2], undefined, "type1v2", TYPE1V2],
    ["only the first: that one is", [TYPE1], undefined, "type1", TYPE1],
    ["both, and the first is wanted: it is taken", [TYPE1, TYPE1V2], "type1", "type1", TYPE1],
  ] as const)("%s, and set for its groups", (_what, types, wanted, iommuType, number) => {
    using given = machine({}, {}, undefined, types);

    using container = Container.open(wanted === undefined ? {} : { iommuType: wanted });
    using _group = container.addGroup(3);

    expect(container.iommuType).toBe(iommuType);
    expect(container.supports(number)).toBe(true);
    expect(argumentsOf(given.asked, VFIO_SET_IOMMU)).toEqual([number]);
  });

  it("the wanted one is not there: it alone is named", () => {
    using _ = machine({}, {}, undefined, [TYPE1]);

    expectError(
      () => Container.open({ iommuType: "type1v2" }),
      "ERR_VFIO_NO_IOMMU_TYPE … no IOMMU of type type1v2.",
    );
  });
});

describe("given a device that is opened", () => {
  it.each([
    [RESET | PCI, { canReset: true, isPci: true }],
    [RESET, { canReset: true, isPci: false }],
    [PCI, { canReset: false, isPci: true }],
  ])("with the flags %i it is told what it can", (flags, expected) => {
    const info = vfioStructs.vfio_device_info;
    const tell = (argument: number | Uint8Array): number => {
      expect(info.decode(argument as Uint8Array).argsz).toBe(info.bytes);
      info.write(argument as Uint8Array, { flags, num_regions: 9, num_irqs: 5 });
      return 0;
    };
    using _ = machine({}, { [VFIO_DEVICE_GET_INFO.number]: tell });
    using container = Container.open();
    using group = container.addGroup(3);
    using device = group.openDevice("03:00.0");

    expect([device.bdf, device.info]).toEqual([BDF, { ...expected, regions: 9, interrupts: 5 }]);
  });

  it.each([
    [{}, BDF],
    [{ vfToken: TOKEN }, `${BDF} vf_token=${TOKEN}`],
  ])("with %j the kernel is asked for %s", (options, name) => {
    using given = machine();
    using group = Group.open(3);
    using _device = group.openDevice(BDF, options);

    expect(argumentsOf(given.asked, VFIO_GROUP_GET_DEVICE_FD)).toEqual([name]);
  });

  it("through another group than its own: both are named, and who is in that one; the kernel is not asked", () => {
    using given = machine();
    using group = Group.open(3);

    expectError(
      () => group.openDevice(NEIGHBOUR),
      `ERR_VFIO_DEVICE_NOT_IN_GROUP … ${NEIGHBOUR} is in IOMMU group 4, not in group 3 (${BDF})`,
    );
    expect(given.asked).toEqual([]);
  });

  it("while another driver has it: that one is named, and the way to bind it; the kernel is not asked", () => {
    using given = machine();
    using group = Group.open(4);

    expectError(
      () => group.openDevice(NEIGHBOUR),
      `ERR_VFIO_DEVICE_NOT_BOUND … ${NEIGHBOUR} is bound to e1000e, not to VFIO … echo ${NEIGHBOUR} > /sys/bus/pci/devices/${NEIGHBOUR}/driver/unbind`,
    );
    expect(given.asked).toEqual([]);
  });
});

describe("given what cannot be opened", () => {
  it("a group, since the machine has none of that number: that is said", () => {
    using _ = machine({ open: () => errnoOf("ENOENT") });

    expectError(() => Group.open(5), "ERR_VFIO_NO_SUCH_GROUP … there is no IOMMU group 5");
  });

  it("a container that cannot be opened for another reason than its driver and its rights has no hint", () => {
    using _ = machine({ open: () => errnoOf("EMFILE") });

    expectError(() => Container.open(), "EMFILE", { hint: undefined });
  });
});

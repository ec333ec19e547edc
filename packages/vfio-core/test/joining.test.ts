import { errnoOf, useKernel } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { errorOf, expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Container, Group } from "../src/index.js";
import { sysfsOnly, vfioKernel } from "./fake-kernel.js";

const SET_IOMMU = vfioIoctls.VFIO_SET_IOMMU.number;
const GET_INFO = vfioIoctls.VFIO_IOMMU_GET_INFO.number;
const SET_CONTAINER = vfioIoctls.VFIO_GROUP_SET_CONTAINER.number;
const UNSET_CONTAINER = vfioIoctls.VFIO_GROUP_UNSET_CONTAINER.number;
const { VFIO_GROUP_FLAGS_VIABLE: VIABLE, VFIO_GROUP_FLAGS_CONTAINER_SET: IN_CONTAINER } = vfioConstants;
const EINVAL = errnoOf("EINVAL");

/** A kernel with containers whose IOMMU is driven or not, as other processes with groups in it may have left it. */
function containerKernel(options: { driven: boolean; setAnswer?: number; groupFlags?: number }) {
  const state = { driven: options.driven, sets: 0, unsets: 0 };
  const kernel = vfioKernel(sysfsOnly({}), {
    ...(options.groupFlags !== undefined && { groupFlags: options.groupFlags }),
    ioctls: {
      [SET_IOMMU]: () => {
        state.sets++;
        if (state.driven) return EINVAL;
        state.driven = options.setAnswer === undefined;
        return options.setAnswer ?? 0;
      },
      [GET_INFO]: () => (state.driven ? 0 : EINVAL),
      [UNSET_CONTAINER]: () => (state.unsets++, 0),
    },
  });
  return { kernel, state };
}

describe("given a container in which other processes may have groups", () => {
  it("nobody has: the first group sets the IOMMU type, the next one does not", () => {
    const { kernel, state } = containerKernel({ driven: false });
    using _ = useKernel(kernel);
    using container = Container.open();

    using first = container.addGroup(3);
    using second = container.addGroup(4);

    expect([state.sets, container.groups]).toEqual([1, [first, second]]);
  });

  it("another has: the type is set, and the group joins all the same", () => {
    const { kernel, state } = containerKernel({ driven: true });
    using _ = useKernel(kernel);
    using container = Container.open();

    using group = container.addGroup(3);

    expect([state.unsets, container.groups]).toEqual([0, [group]]);
  });

  it("the groups that this process put there have left, unseen: the type is set anew", () => {
    const { kernel, state } = containerKernel({ driven: false });
    using _ = useKernel(kernel);
    using container = Container.open();
    using _first = container.addGroup(3);
    state.driven = false;

    using _second = container.addGroup(4);

    expect(state).toMatchObject({ driven: true, sets: 2 });
  });
});

describe("given an IOMMU that does not take the group", () => {
  it.each([
    ["EINVAL", "does not fit the container"],
    ["EPERM", "allow_unsafe_interrupts=1"],
    ["EIO", undefined],
  ] as const)(
    "%s has the hint that belongs to it, and the group is out of the container again",
    (name, hint) => {
      const { kernel, state } = containerKernel({ driven: false, setAnswer: errnoOf(name) });
      using _ = useKernel(kernel);
      using container = Container.open();

      const error = expectError(
        () => container.addGroup(3),
        `${name} … cannot set IOMMU type type1v2 for group 3`,
        { ioctl: "VFIO_SET_IOMMU" },
      );
      if (hint === undefined) expect(error.hint).toBeUndefined();
      else expect(error.hint).toContain(hint);
      expect([state.unsets, container.groups]).toEqual([1, []]);
    },
  );
});

describe("given a group that the container does not take", () => {
  function refused(name: "EINVAL" | "EPERM" | "EIO", groupFlags: number) {
    const ioctls = { [SET_CONTAINER]: () => errnoOf(name) };
    using _ = useKernel(vfioKernel(sysfsOnly({}), { groupFlags, ioctls }));
    using container = Container.open();
    return errorOf(() => container.addGroup(3));
  }

  it.each([
    ["EINVAL", VIABLE | IN_CONTAINER, "in a container already"],
    ["EINVAL", VIABLE, "does not fit the container"],
    ["EPERM", VIABLE, "RMRR"],
  ] as const)("%s with status %i", (name, flags, hint) => {
    const error = refused(name, flags);

    expect(error).toMatchObject({ code: name, ioctl: "VFIO_GROUP_SET_CONTAINER" });
    expect(error.hint).toContain(hint);
  });

  it("EIO has no hint that would mislead", () => {
    expect(refused("EIO", VIABLE).hint).toBeUndefined();
  });
});

describe("given arguments of the wrong type", () => {
  it.each([7, null, undefined, {}, { fd: "3" }, { fd: 3 }])(
    "attach(%j) says that it wants a group",
    (group) => {
      using _ = useKernel(vfioKernel(sysfsOnly({})));
      using container = Container.open();

      expectError(
        () => container.attach(group as unknown as Group),
        "ERR_VFIO_ARGUMENT … the group must be an open Group, not",
      );
    },
  );

  it.each([7, null, {}, { number: 3 }])("Group.from(%j) says that it wants an fd and a number", (source) => {
    using _ = useKernel(vfioKernel(sysfsOnly({})));

    expectError(() => Group.from(source as Group), "ERR_VFIO_ARGUMENT … a group's fd and number");
  });

  it("Group.from() with a number that is none says which it was", () => {
    using _ = useKernel(vfioKernel(sysfsOnly({})));

    expectError(() => Group.from({ fd: 3, number: -1 }), "ERR_VFIO_GROUP_NUMBER");
  });

  it("listeners are functions, the reason of a hold is a text", () => {
    const folder = "/sys/bus/pci/devices/0000:03:00.0";
    const sysfs = sysfsOnly(
      { [`${folder}/vendor`]: "1", [`${folder}/device`]: "1", [`${folder}/class`]: "1" },
      { [`${folder}/driver`]: "vfio-pci", [`${folder}/iommu_group`]: "3" },
    );
    using _ = useKernel(vfioKernel(sysfs));
    using container = Container.open();
    using group = container.addGroup(3);
    using device = group.openDevice("03:00.0");

    const wrong = 7 as never;
    for (const use of [
      () => container.onGroupAdded(wrong),
      () => group.onClose(wrong),
      () => device.hold(wrong),
      () => group.openDevice("03:00.0", wrong),
    ])
      expectError(use, "ERR_VFIO_ARGUMENT");
    expectError(() => container.supports("1" as never), "ERR_VFIO_IOCTL_ARGUMENT");
    expectError(() => group.openDevice(wrong), "ERR_VFIO_BAD_BDF");
  });
});

import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls } from "@vfio/ioctl-native/vfio";
import { errorOf, expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Container, Group } from "../src/index.js";
import { pciDevice, sysfsOnly, vfioKernel } from "./fake-kernel.js";

const DEVICE = "0000:03:10.0";
const BRIDGE = "0000:03:00.0";
const FOLDER = `/sys/bus/pci/devices/${DEVICE}`;
const TOKEN = "2ab74924-c335-45f4-9b16-8569e5b08258";
const { VFIO_GROUP_FLAGS_VIABLE: VIABLE, VFIO_GROUP_FLAGS_CONTAINER_SET: IN_CONTAINER } = vfioConstants;

/** A machine with a device in group 7, beside the bridge before it, and `/proc` with two processes. */
function machine(links: Record<string, string> = {}, files: Record<string, string> = {}): Kernel {
  return sysfsOnly(
    {
      ...pciDevice(DEVICE),
      ...pciDevice(BRIDGE, { class: "0x060400" }),
      [`/sys/kernel/iommu_groups/7/devices/${BRIDGE}`]: "",
      [`/sys/kernel/iommu_groups/7/devices/${DEVICE}`]: "",
      "/proc/77/comm": "node\n",
      ...files,
    },
    {
      [`${FOLDER}/iommu_group`]: "../../../kernel/iommu_groups/7",
      [`${FOLDER}/driver`]: "../../drivers/vfio-pci",
      "/proc/self": "5",
      ...links,
    },
  );
}

/** A kernel whose folders cannot be listed and whose links cannot be read, as for lack of fds. */
function blind(kernel: Kernel): Kernel {
  const emfile = (): number => errnoOf("EMFILE");
  return { ...kernel, list: emfile, readLink: emfile, readText: emfile, stat: emfile };
}

function openingFails(kernel: Kernel, name: "EBUSY" | "ENOENT" | "EPERM") {
  using _ = useKernel({ ...kernel, open: () => errnoOf(name) });
  return errorOf(() => Group.open(7));
}

describe("given a group that is open already", () => {
  it("in this process: its own pid is named, and nobody is told to end it", () => {
    const error = openingFails(
      machine({ "/proc/self/fd/9": "/dev/vfio/7", "/proc/5/fd/9": "/dev/vfio/7" }),
      "EBUSY",
    );

    expect(error).toMatchObject({ code: "EBUSY", path: "/dev/vfio/7" });
    expect(error.hint).toContain(`This process (pid ${process.pid}) has it open already`);
    expect(error.hint).not.toContain("end it");
  });

  it("in another: that one is named, and this one is not", () => {
    const error = openingFails(
      machine({ "/proc/77/fd/3": "/dev/vfio/7", "/proc/78/fd/3": "/dev/vfio/70" }),
      "EBUSY",
    );

    expect(error.hint).toContain("It is open in pid 77 (node). ");
  });

  it("where /proc does not show: another process is meant", () => {
    expect(openingFails(machine(), "EBUSY").hint).toContain("Another process has it open");
  });

  it("and /proc cannot be read: the error is EBUSY all the same", () => {
    const error = openingFails(blind(machine()), "EBUSY");

    expect(error).toMatchObject({ code: "EBUSY", syscall: "open", path: "/dev/vfio/7" });
  });
});

describe("given a group without a node", () => {
  it("whose device is bound to VFIO: the node is elsewhere, so pass it into the container", () => {
    const error = openingFails(machine(), "ENOENT");

    expect(error).toMatchObject({ code: "ENOENT", syscall: "open", path: "/dev/vfio/7" });
    expect(error.hint).toContain("--device /dev/vfio/7");
    expect(error.message).not.toContain("no device");
  });

  it("none of whose devices is VFIO's: the way to bind one, which is not the bridge", () => {
    const error = openingFails(machine({ [`${FOLDER}/driver`]: "../../drivers/e1000e" }), "ENOENT");

    expect(error).toMatchObject({ code: "ERR_VFIO_GROUP_NOT_BOUND" });
    expect(error.message).toContain(`${BRIDGE} (no driver), ${DEVICE} (e1000e)`);
    expect(error.hint).toContain(`devices/${DEVICE}/driver_override`);
    expect(error.hint).toContain(`echo ${DEVICE} > /sys/bus/pci/devices/${DEVICE}/driver/unbind; `);
  });

  it("and whose device has no driver: nothing is to be unbound", () => {
    const unbound: Kernel = machine();
    const readLink: Kernel["readLink"] = (link) =>
      link.endsWith("/driver") ? errnoOf("ENOENT") : unbound.readLink(link);
    const error = openingFails({ ...unbound, readLink }, "ENOENT");

    expect(error).toMatchObject({ code: "ERR_VFIO_GROUP_NOT_BOUND" });
    expect(error.hint).toContain(
      `devices/${DEVICE}/driver_override; echo ${DEVICE} > /sys/bus/pci/drivers_probe`,
    );
  });

  it("and nothing of it can be read: ENOENT is told, and no more", () => {
    const error = openingFails(blind(machine()), "ENOENT");

    expect(error).toMatchObject({ code: "ENOENT", path: "/dev/vfio/7" });
    expect(error.hint).toBeUndefined();
  });
});

describe("given a group that is not viable", () => {
  it("whose members cannot be read: that it is not viable is told all the same", () => {
    using _ = useKernel(vfioKernel(blind(machine()), { groupFlags: 0 }));
    using container = Container.open();

    const error = expectError(() => container.addGroup(7), "ERR_VFIO_GROUP_NOT_VIABLE");
    expect(error.message).toMatch(/bound to VFIO or to nothing\. `lspci -k`/);
  });

  it("one member is in the way, and of the others none", () => {
    const links = {
      [`${FOLDER}/driver`]: "../e1000e",
      [`/sys/bus/pci/devices/${BRIDGE}/driver`]: "../pcieport",
    };
    using _ = useKernel(vfioKernel(machine(links), { groupFlags: 0 }));
    using group = Group.open(7);

    const error = expectError(
      () => group.checkViable(),
      `… It holds ${BRIDGE} (pcieport), ${DEVICE} (e1000e, in the way)`,
    );
    expect(error.hint).toBe(`Unbind: echo ${DEVICE} > /sys/bus/pci/devices/${DEVICE}/driver/unbind`);
  });
});

describe("given a device that is opened with a VF token", () => {
  function openWith(
    vfToken: unknown,
    errno: "EINVAL" | "EACCES" | "EIO" = "EINVAL",
    links: Record<string, string> = {},
    files: Record<string, string> = {},
  ) {
    const openDevice = errnoOf(errno);
    using _ = useKernel(vfioKernel(machine(links, files), { openDevice, groupFlags: VIABLE | IN_CONTAINER }));
    using group = Group.open(7);
    return errorOf(() => group.openDevice(DEVICE, { vfToken: vfToken as string }));
  }

  it.each(["", "secret", `${TOKEN}0`, ` ${TOKEN}`, TOKEN.replaceAll("-", ""), `${TOKEN} x=1`])(
    "%j is no UUID: the kernel is not asked",
    (token) => {
      const error = openWith(token);

      expect(error).toMatchObject({ code: "ERR_VFIO_VF_TOKEN" });
      expect(error.message).toContain(`${JSON.stringify(token)} is not a UUID`);
    },
  );

  it.each([7, null, {}])("%j is no text", (token) => {
    expect(openWith(token)).toMatchObject({ code: "ERR_VFIO_ARGUMENT" });
  });

  it("it is no virtual function: leave the token out", () => {
    const error = openWith(TOKEN.toUpperCase());

    expect(error).toMatchObject({ code: "EINVAL", ioctl: "VFIO_GROUP_GET_DEVICE_FD" });
    expect(error.hint).toContain(`Leave vfToken out: ${DEVICE} is no virtual function`);
  });

  it("its physical function is not VFIO's, and has set none: leave the token out", () => {
    const links = { [`${FOLDER}/physfn`]: "../x", [`${FOLDER}/physfn/driver`]: "../drivers/ixgbe" };

    expect(openWith(TOKEN, "EINVAL", links).hint).toContain(`of ${DEVICE} is bound to ixgbe`);
  });

  it.each([
    [
      "a virtual function of VFIO's",
      { [`${FOLDER}/physfn`]: "", [`${FOLDER}/physfn/driver`]: "../vfio-pci" },
      {},
    ],
    ["a physical function", {}, { [`${FOLDER}/sriov_totalvfs`]: "4\n" }],
  ])("it is %s: EINVAL has another reason, which is not known", (_, links, files) => {
    expect(openWith(TOKEN, "EINVAL", links, files).hint).toBeUndefined();
  });

  it("it is another token than the owner's", () => {
    expect(openWith(TOKEN, "EACCES").hint).toContain("is not the VF token that the owner");
  });

  it("another errno has nothing to do with tokens", () => {
    expect(openWith(TOKEN, "EIO").hint).toBeUndefined();
  });
});

describe("given a device that the kernel does not open", () => {
  const VIRTUAL: Record<string, string> = { [`${FOLDER}/physfn`]: "" };
  function refused(
    errno: "EINVAL" | "EACCES" | "ENODEV",
    groupFlags: number,
    { blinded = false, links = VIRTUAL } = {},
  ) {
    const sysfs = machine(links);
    let looked = 0;
    const openDevice = errnoOf(errno);
    // What is asked before the device is opened is answered; what is asked after that is not.
    const stat = (path: string) => (looked++ > 0 && blinded ? errnoOf("EMFILE") : sysfs.stat(path));
    using _ = useKernel({ ...vfioKernel(sysfs, { openDevice, groupFlags }), stat });
    using group = Group.open(7);
    return errorOf(() => group.openDevice(DEVICE));
  }

  it("EINVAL of a group outside a container: put it into one", () => {
    expect(refused("EINVAL", VIABLE).hint).toContain("must be in a container");
  });

  it("EINVAL of a group in a container: no advice that would mislead", () => {
    expect(refused("EINVAL", VIABLE | IN_CONTAINER).hint).toBeUndefined();
  });

  it("ENODEV: it is not bound to VFIO", () => {
    expect(refused("ENODEV", VIABLE).hint).toContain(`lspci -k -s ${DEVICE}`);
  });

  it("EACCES of a virtual function: a token is wanted; of another, or where that cannot be seen, there is no hint", () => {
    const error = refused("EACCES", VIABLE);
    expect(error.message).toContain(`cannot open PCI device ${DEVICE} of IOMMU group 7`);
    expect(error.hint).toContain("pass it as vfToken");
    for (const without of [{ blinded: true }, { links: {} }]) {
      const bare = refused("EACCES", VIABLE, without);
      expect(bare).toMatchObject({ code: "EACCES", ioctl: "VFIO_GROUP_GET_DEVICE_FD" });
      expect(bare.hint).toBeUndefined();
    }
  });
});

describe("given a container whose IOMMU is asked for", () => {
  function infoFails(name: "EINVAL" | "EIO") {
    using _ = useKernel(
      vfioKernel(machine(), { ioctls: { [vfioIoctls.VFIO_IOMMU_GET_INFO.number]: () => errnoOf(name) } }),
    );
    using container = Container.open();
    return errorOf(() => container.iommuInfo());
  }

  it("EINVAL: a group is missing; EIO has another reason", () => {
    expect(infoFails("EINVAL").hint).toContain("add a group first");
    expect(infoFails("EIO")).toMatchObject({ code: "EIO", ioctl: "VFIO_IOMMU_GET_INFO" });
    expect(infoFails("EIO").hint).toBeUndefined();
  });
});

it("given a number of a group as text, the message shows that it is text", () => {
  expect(errorOf(() => Group.open("7" as unknown as number))).toMatchObject({
    code: "ERR_VFIO_GROUP_NUMBER",
    message: "the number of an IOMMU group is a whole number from 0 to 2^31 - 1, not '7'",
  });
});

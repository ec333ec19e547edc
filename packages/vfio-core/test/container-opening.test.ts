import { errnoOf, useKernel, type Kernel } from "@vfio/ioctl-native";
import { expectError } from "@vfio/test-support";
import { describe, expect, it } from "vitest";
import { Container } from "../src/index.js";

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

    expectError(() => Container.open(), "ERR_VFIO_API_VERSION … version 5");
    expect(closed).toEqual([7]);
  });

  it.each(["EIO", "ENOMEM"] as const)("%s for an extension is told, not taken for a no", (name) => {
    const { fake, closed } = containerKernel({ [CHECK_EXTENSION]: errnoOf(name) });
    using _ = useKernel(fake);

    expectError(() => Container.open(), name, { ioctl: "VFIO_CHECK_EXTENSION" });
    expect(closed).toEqual([7]);
  });

  it.each([7, null, { iommuType: "type2" }, { iommuType: "toString" }, { iommuType: 3 }])(
    "options of %j are refused before anything is opened",
    (options) => {
      using _ = useKernel({} as Kernel);

      const error = expectError(() => Container.open(options as object), "ERR_VFIO_ARGUMENT");
      expect(error.message).toMatch(/must be (an object|type1v2 or type1), not /);
    },
  );

  it("no IOMMU driver: the types asked for and the module are named, and the fd is closed again", () => {
    const { fake, closed } = containerKernel({});
    using _ = useKernel(fake);

    expectError(
      () => Container.open(),
      "ERR_VFIO_NO_IOMMU_TYPE … type1v2 or type1 … modprobe vfio_iommu_type1",
    );
    expect(closed).toEqual([7]);
  });

  it.each([
    ["ENOENT", "modprobe vfio-pci"],
    ["EACCES", "chmod 0666"],
  ] as const)("%s has its remedy in the message", (name, remedy) => {
    using _ = useKernel({ open: () => errnoOf(name) } as Partial<Kernel> as Kernel);

    expectError(() => Container.open(), `${name} … ${remedy}`, { syscall: "open", path: "/dev/vfio/vfio" });
  });
});

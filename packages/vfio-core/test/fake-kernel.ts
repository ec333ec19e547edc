import type { Kernel } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import { fakeSysfs } from "@vfio/test-support";

export { pciDevice } from "@vfio/test-support";

/** A kernel of which only sysfs is there: files and links from a table. Every other call fails the test. */
export function sysfsOnly(...tables: Parameters<typeof fakeSysfs>): Kernel {
  return fakeSysfs(...tables) as Partial<Kernel> as Kernel;
}

/** As {@link sysfsOnly}, with a VFIO that agrees to everything, except to what `replaced` answers. */
export function vfioKernel(
  sysfs: Kernel,
  replaced: Partial<Pick<Kernel, "open" | "close">> & {
    readonly openDevice?: number;
    /** What an ioctl answers, by its number, instead; asked each time. */
    readonly ioctls?: Readonly<Record<number, (argument: number | Uint8Array) => number>>;
    /** What a group's status says; viable by default. */
    readonly groupFlags?: number;
  } = {},
): Kernel {
  const {
    openDevice,
    ioctls = {},
    groupFlags = vfioConstants.VFIO_GROUP_FLAGS_VIABLE,
    ...functions
  } = replaced;
  let next = 10;
  const fake: Partial<Kernel> = {
    ...sysfs,
    open: () => next++,
    close: () => 0,
    ioctl: (_fd, request, argument) => {
      const answer = ioctls[request];
      if (answer !== undefined) return answer(argument);
      if (request === vfioIoctls.VFIO_CHECK_EXTENSION.number) return 1;
      if (request === vfioIoctls.VFIO_GROUP_GET_DEVICE_FD.number) return openDevice ?? next++;
      if (request === vfioIoctls.VFIO_GROUP_GET_STATUS.number)
        vfioStructs.vfio_group_status.write(argument as Uint8Array, { flags: groupFlags });
      return 0;
    },
    ...functions,
  };
  return fake as Kernel;
}

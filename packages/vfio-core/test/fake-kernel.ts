import { errnoOf, vfioConstants, vfioIoctls, vfioStructs, type Kernel } from "@vfio/ioctl-native";

/** A kernel of which only sysfs is there: files and links from a table. Every other call fails the test. */
export function sysfsOnly(files: Record<string, string>, links: Record<string, string> = {}): Kernel {
  const all = [...Object.keys(files), ...Object.keys(links)];
  const fake: Partial<Kernel> = {
    readText: (path) => files[path] ?? errnoOf("ENOENT"),
    readLink: (path) => links[path] ?? errnoOf("ENOENT"),
    list: (path) => {
      const names = all
        .filter((each) => each.startsWith(`${path}/`))
        .map((each) => each.slice(path.length + 1).split("/")[0] ?? "");
      return names.length === 0 ? errnoOf("ENOENT") : [...new Set(names)];
    },
    stat: (path) =>
      all.some((each) => each === path || each.startsWith(`${path}/`))
        ? { mode: 0, uid: 0, gid: 0, inode: 1 }
        : errnoOf("ENOENT"),
  };
  return fake as Kernel;
}

/** The sysfs files of one PCI device. */
export function pciDevice(
  bdf: string,
  fields: { vendor?: string; device?: string; class?: string } = {},
): Record<string, string> {
  const folder = `/sys/bus/pci/devices/${bdf}`;
  return {
    [`${folder}/vendor`]: `${fields.vendor ?? "0x1234"}\n`,
    [`${folder}/device`]: `${fields.device ?? "0x11e8"}\n`,
    [`${folder}/class`]: `${fields.class ?? "0x00ff00"}\n`,
  };
}

/** As {@link sysfsOnly}, with a VFIO that agrees to everything, except to what `replaced` answers. */
export function vfioKernel(
  sysfs: Kernel,
  replaced: Partial<Pick<Kernel, "open" | "close">> & {
    readonly openDevice?: number;
    /** What an ioctl answers, by its number, instead; asked each time. */
    readonly ioctls?: Record<number, () => number>;
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
      if (answer !== undefined) return answer();
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

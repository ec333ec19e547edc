import { constants } from "node:os";

const ABSENT = -constants.errno.ENOENT;

/** A sysfs from tables of files and links, as functions of `Kernel`. */
export function fakeSysfs(files: Record<string, string>, links: Record<string, string> = {}) {
  const all = [...Object.keys(files), ...Object.keys(links)];
  return {
    readText: (path: string): string | number => files[path] ?? ABSENT,
    readLink: (path: string): string | number => links[path] ?? ABSENT,
    list: (path: string): string[] | number => {
      const names = all
        .filter((each) => each.startsWith(`${path}/`))
        .map((each) => each.slice(path.length + 1).split("/")[0] ?? "");
      return names.length === 0 ? ABSENT : [...new Set(names)];
    },
    stat: (path: string) =>
      all.some((each) => each === path || each.startsWith(`${path}/`))
        ? { mode: 0, uid: 0, gid: 0, inode: 1 }
        : ABSENT,
  };
}

export function pciDevice(
  bdf: string,
  fields: { vendor?: string; device?: string; class?: string; numa_node?: string } = {},
): Record<string, string> {
  const all = { vendor: "0x1234", device: "0x11e8", class: "0x00ff00", ...fields };
  return Object.fromEntries(
    Object.entries(all).map(([name, value]) => [`/sys/bus/pci/devices/${bdf}/${name}`, `${value}\n`]),
  );
}

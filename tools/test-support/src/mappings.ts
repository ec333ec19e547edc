/** What the kernel itself calls such memory, at the start of the path: any other file may have these words in its path. */
const KERNEL_NAMES = ["/memfd:", "/anon_hugepage", "/dev/vfio/", "anon_inode:[vfio-device]"];

/**
 * How many stretches of memory are VFIO devices', memory files' or hugepages'.
 * @param maps The text of `/proc/<pid>/maps`.
 * @param mounts The text of `/proc/<pid>/mounts`, for a file in a hugetlbfs may have any name.
 */
export function countMappings(maps: string, mounts: string): number {
  const hugetlbfs = [...mounts.matchAll(/^\S+ (\S+) hugetlbfs /gm)].map(([, folder]) => `${folder}/`);
  const starts = [...KERNEL_NAMES, ...hugetlbfs];
  // proc_pid_maps(5): addresses, permissions, offset, device, inode, path.
  const paths = [...maps.matchAll(/^(?:\S+ +){5}(\S.*)$/gm)].map(([, path = ""]) => path);
  return paths.filter((path) => starts.some((start) => path.startsWith(start))).length;
}

/** The kernel's names of such memory, at the start of the path: other files may have these words in their path. */
const KERNEL_NAMES = ["/memfd:", "/anon_hugepage", "/dev/vfio/", "anon_inode:[vfio-device]"];

/**
 * Counts mappings of VFIO devices, memory files and hugepages.
 * @param maps `/proc/<pid>/maps`.
 * @param mounts `/proc/<pid>/mounts`: a file in a hugetlbfs may have any name.
 */
export function countMappings(maps: string, mounts: string): number {
  const hugetlbfs = [...mounts.matchAll(/^\S+ (\S+) hugetlbfs /gm)].map(([, folder]) => `${folder}/`);
  const starts = [...KERNEL_NAMES, ...hugetlbfs];
  // proc_pid_maps(5): addresses, permissions, offset, device, inode, path.
  const paths = [...maps.matchAll(/^(?:\S+ +){5}(\S.*)$/gm)].map(([, path = ""]) => path);
  return paths.filter((path) => starts.some((start) => path.startsWith(start))).length;
}

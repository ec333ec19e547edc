import { readSysfs } from "@vfio/ioctl-native";

/** How many hugepages of one size the system has. */
export interface HugepageCount {
  readonly pageBytes: number;
  readonly reserved: number;
  /** Free, and not promised to a mapping that has not touched them. */
  readonly available: number;
}

/** The system's hugepages of one size (`/sys/kernel/mm/hugepages`), or `undefined` if it has none of that size. */
export function countHugepages(pageBytes: number): HugepageCount | undefined {
  const folder = poolFolder(pageBytes);
  const reserved = readSysfs(`${folder}/nr_hugepages`);
  if (reserved === undefined) return undefined;
  const free = Number(readSysfs(`${folder}/free_hugepages`));
  const promised = Number(readSysfs(`${folder}/resv_hugepages`));
  return { pageBytes, reserved: Number(reserved), available: free - promised };
}

/** What to do when hugepages could not be had: the numbers now, the numbers needed, and the command. */
export function hugepageHint(bytes: number, pageBytes: number): string {
  const needed = Math.ceil(bytes / pageBytes);
  const count = countHugepages(pageBytes);
  if (count === undefined)
    return `This machine has no pages of ${pageBytes} bytes: ls /sys/kernel/mm/hugepages`;
  const total = count.reserved - count.available + needed;
  return (
    `Hugepages of ${pageBytes / 1024} KiB: ${count.reserved} reserved, ${count.available} free, ${needed} needed. ` +
    `Reserve more: echo ${total} > ${poolFolder(pageBytes)}/nr_hugepages`
  );
}

function poolFolder(pageBytes: number): string {
  return `/sys/kernel/mm/hugepages/hugepages-${pageBytes / 1024}kB`;
}

import { VfioRangeError } from "@vfio/ioctl-native";
import { listFolder, readSysfs, shownValue } from "@vfio/ioctl-native/internal";
import { argumentError } from "../arguments.js";

const SYSTEM = "/sys/kernel/mm/hugepages";
const NODES = "/sys/devices/system/node";

/** The system's hugepages of one size. */
export interface HugepageCount {
  readonly pageBytes: number;
  /** Free or in use (`nr_hugepages`). */
  readonly reserved: number;
  /** Free, and not promised to a mapping that has not touched them. */
  readonly available: number;
}

/** A NUMA node's hugepages of one size. */
export interface NodeHugepageCount {
  readonly node: number;
  readonly pageBytes: number;
  /** Free or in use (`nr_hugepages`). */
  readonly reserved: number;
  /** `free_hugepages`. */
  readonly free: number;
}

/**
 * The system's hugepages of one size (`/sys/kernel/mm/hugepages`), or `undefined` if it has none of that size.
 * @throws VfioRangeError `ERR_VFIO_DMA_ARGUMENT` if `pageBytes` is no number.
 * @example
 * ```ts
 * import { countHugepages } from "@vfio/dma";
 *
 * const count = countHugepages(2 << 20);
 * console.log(count === undefined ? "no such pages here" : `${count.available} of ${count.reserved} are free`);
 * ```
 */
export function countHugepages(pageBytes: number): HugepageCount | undefined {
  checkIsNumber(pageBytes);
  const reserved = readSysfs(hugepageFile("nr_hugepages", pageBytes));
  if (reserved === undefined) return undefined;
  const free = Number(readSysfs(hugepageFile("free_hugepages", pageBytes)));
  const promised = Number(readSysfs(hugepageFile("resv_hugepages", pageBytes)));
  return { pageBytes, reserved: Number(reserved), available: free - promised };
}

/** The hugepages of one size on each NUMA node. Throws what {@link countHugepages} throws. */
export function countHugepagesByNode(pageBytes: number): NodeHugepageCount[] {
  checkIsNumber(pageBytes);
  return numaNodes().map((node) => {
    const count = (name: string): number => Number(readSysfs(hugepageFile(name, pageBytes, node)) ?? 0);
    return { node, pageBytes, reserved: count("nr_hugepages"), free: count("free_hugepages") };
  });
}

function checkIsNumber(pageBytes: unknown): void {
  if (typeof pageBytes !== "number") throw argumentError(pageBytes, "the bytes of a page, a number,");
}

function numaNodes(): number[] {
  return listFolder(NODES)
    .map((name) => /^node(\d+)$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number);
}

/** `undefined` is any node. @throws VfioRangeError `ERR_VFIO_NUMA_NODE` if the machine has no such node. */
export function checkNumaNode(node: number | undefined): void {
  if (node === undefined) return;
  const nodes = numaNodes();
  if (nodes.includes(node)) return;
  throw new VfioRangeError(
    "ERR_VFIO_NUMA_NODE",
    `this machine has no NUMA node ${shownValue(node)}; it has ${nodes.join(", ") || "none"}`,
    { hint: "Leave the node out: then any will do. For a device without one, sysfs says -1" },
  );
}

export function hugepageSizes(): number[] {
  return listFolder(SYSTEM)
    .map((name) => Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]) * 1024)
    .filter((bytes) => bytes > 0)
    .sort((one, other) => one - other);
}

/** The file that counts or sets the hugepages of one size, of the system or of a NUMA node. */
export function hugepageFile(name: string, pageBytes: number, node?: number): string {
  const folder = node === undefined ? SYSTEM : `${NODES}/node${node}/hugepages`;
  return `${folder}/hugepages-${pageBytes / 1024}kB/${name}`;
}

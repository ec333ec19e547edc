import { listFolder, readSysfs, VfioRangeError } from "@vfio/ioctl-native";

const SYSTEM = "/sys/kernel/mm/hugepages";
const NODES = "/sys/devices/system/node";

/** How many hugepages of one size the system has. */
export interface HugepageCount {
  /** Their size. */
  readonly pageBytes: number;
  /** How many the system keeps, free or in use (`nr_hugepages`). */
  readonly reserved: number;
  /** Free, and not promised to a mapping that has not touched them. */
  readonly available: number;
}

/** How many hugepages of one size a NUMA node has. */
export interface NodeHugepageCount {
  /** The NUMA node's number. */
  readonly node: number;
  /** Their size. */
  readonly pageBytes: number;
  /** How many the node keeps, free or in use (`nr_hugepages`). */
  readonly reserved: number;
  /** How many of them nobody uses (`free_hugepages`). */
  readonly free: number;
}

/**
 * The system's hugepages of one size (`/sys/kernel/mm/hugepages`), or `undefined` if it has none of that size.
 * @example
 * ```ts
 * import { countHugepages } from "@vfio/dma";
 *
 * const count = countHugepages(2 << 20);
 * console.log(count === undefined ? "no such pages here" : `${count.available} of ${count.reserved} are free`);
 * ```
 */
export function countHugepages(pageBytes: number): HugepageCount | undefined {
  const folder = `${SYSTEM}/${poolName(pageBytes)}`;
  const reserved = readSysfs(`${folder}/nr_hugepages`);
  if (reserved === undefined) return undefined;
  const free = Number(readSysfs(`${folder}/free_hugepages`));
  const promised = Number(readSysfs(`${folder}/resv_hugepages`));
  return { pageBytes, reserved: Number(reserved), available: free - promised };
}

/** The hugepages of one size on each NUMA node. */
export function countHugepagesByNode(pageBytes: number): NodeHugepageCount[] {
  return numaNodes().map((node) => {
    const folder = `${NODES}/node${node}/hugepages/${poolName(pageBytes)}`;
    const reserved = Number(readSysfs(`${folder}/nr_hugepages`) ?? 0);
    return { node, pageBytes, reserved, free: Number(readSysfs(`${folder}/free_hugepages`) ?? 0) };
  });
}

/** The numbers of the machine's NUMA nodes. */
export function numaNodes(): number[] {
  return listFolder(NODES)
    .map((name) => /^node(\d+)$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number);
}

/** @throws VfioRangeError `ERR_VFIO_NUMA_NODE` if the machine does not have that node; `undefined` is any node. */
export function checkNumaNode(node: number | undefined): void {
  if (node === undefined) return;
  const nodes = numaNodes();
  if (nodes.includes(node)) return;
  throw new VfioRangeError(
    "ERR_VFIO_NUMA_NODE",
    `this machine has no NUMA node ${node}; it has ${nodes.join(", ") || "none"}`,
    { hint: "Leave the node out: then any will do. For a device without one, sysfs says -1" },
  );
}

/** What to do when hugepages could not be had: the numbers now, the numbers needed, and the command. */
export function hugepageHint(bytes: number, pageBytes: number, node?: number): string {
  const needed = Math.ceil(bytes / pageBytes);
  const count = countHugepages(pageBytes);
  if (count === undefined) return `This machine has no pages of ${pageBytes} bytes: ls ${SYSTEM}`;
  const nodes = countHugepagesByNode(pageBytes);
  const wanted = nodes.find((each) => each.node === node);
  const folder = wanted === undefined ? SYSTEM : `${NODES}/node${wanted.node}/hugepages`;
  const total =
    wanted === undefined ? count.reserved - count.available + needed : wanted.reserved - wanted.free + needed;
  const perNode = nodes
    .map((each) => `node ${each.node}: ${each.reserved} reserved, ${each.free} free`)
    .join("; ");
  return (
    `Hugepages of ${pageBytes / 1024} KiB: ${count.reserved} reserved, ${count.available} free, ${needed} needed` +
    `${perNode === "" ? "" : ` (${perNode})`}. Reserve more: echo ${total} > ${folder}/${poolName(pageBytes)}/nr_hugepages`
  );
}

function poolName(pageBytes: number): string {
  return `hugepages-${pageBytes / 1024}kB`;
}

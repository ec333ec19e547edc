import { argumentError, checkText, fdOf } from "../errors/argument-error.js";
import { errnoOf, VfioSystemError } from "../errors/errors.js";
import { kernel } from "../kernel/kernel.js";
import type { MapOptions } from "./map-options.js";
import { isOrdinaryMemory, type MemoryFailure } from "./memory-file.js";
import { memoryShortage, type MemoryToTake } from "./memory-shortage.js";
import { readSysfs } from "../machine/sysfs.js";

/** The kernel's default is 65530. */
const MAPPING_LIMIT = "/proc/sys/vm/max_map_count";

interface ClosableMapping extends MemoryToTake {
  close(): void;
}

/** Binds a mapping's pages to a node and checks that there are enough. Closes the mapping on failure. */
export function preparePages(mapping: ClosableMapping, options: MapOptions): void {
  const { file, populate = false, numaNode } = options;
  const bound = numaNode === undefined ? 0 : kernel().bindMapping(mapping.handle, numaNode);
  checkStep(mapping, { syscall: "mbind", errno: bound }, options);
  const shortage = populate && isOrdinaryMemory(file) ? memoryShortage(mapping) : undefined;
  if (shortage === undefined) return;
  mapping.close();
  throw shortage;
}

/** Closes the mapping on failure, so that its pages do not count as used in the hint. */
export function checkStep(mapping: ClosableMapping, step: MemoryFailure, options: MapOptions): void {
  if (step.errno >= 0) return;
  mapping.close();
  throw mapError(step, options);
}

export function nameOf({ name, file }: MapOptions): string {
  if (name === undefined) return `fd ${fdOf(file)}`;
  checkText("the name of a mapping", name);
  return name;
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` if it cannot be the number of a NUMA node. */
export function checkNode(numaNode: number | undefined): void {
  if (numaNode === undefined || (Number.isInteger(numaNode) && numaNode >= 0)) return;
  throw argumentError("the NUMA node", "a whole number from 0", numaNode);
}

export function mapError(failure: MemoryFailure, options: MapOptions): VfioSystemError {
  const what = `cannot map ${options.bytes} bytes of ${nameOf(options)}`;
  const hint = (): string | undefined => options.hint?.(failure) ?? remedyOf(failure, options);
  return new VfioSystemError(failure.errno, { syscall: failure.syscall, what, hint });
}

function remedyOf({ syscall, errno }: MemoryFailure, { bytes, address }: MapOptions): string | undefined {
  if (syscall !== "mmap") return undefined;
  switch (errno) {
    case errnoOf("ENXIO"):
      return "The range goes beyond the end of the file: make the file larger first";
    case errnoOf("EEXIST"):
      return address === undefined ? undefined : occupantHint(address, bytes);
    case errnoOf("ENOMEM"):
      return countHint();
    default:
      return undefined;
  }
}

function occupantHint(address: bigint, bytes: number): string {
  const occupant = memoryMapLines().find((line) => overlaps(line, address, address + BigInt(bytes)));
  return `The addresses are taken by: ${occupant ?? "something that has just gone"}`;
}

/** A process has a limited number of mappings; ENOMEM tells no more than that. */
function countHint(): string | undefined {
  const limit = readSysfs(MAPPING_LIMIT);
  const count = memoryMapLines().length;
  if (limit === undefined || count < Number(limit)) return undefined;
  return `This process has ${count} mappings, and ${MAPPING_LIMIT} allows ${limit}: map larger pieces, or raise it`;
}

function memoryMapLines(): string[] {
  const maps = kernel().readText("/proc/self/maps");
  return typeof maps === "string" ? maps.split("\n") : [];
}

function overlaps(line: string, start: bigint, end: bigint): boolean {
  const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
  return from !== undefined && to !== undefined && BigInt(`0x${from}`) < end && BigInt(`0x${to}`) > start;
}

import type { IovaRange } from "@vfio/ioctl-native";
import { argumentError, checkObject, isList } from "../arguments.js";
import type { DmaAccess } from "../spaces/iommu.js";
import type { DmaSegment } from "./iova-table.js";
import { joined } from "./joined.js";

/** A mapping, as it is drawn. */
export interface DrawnMapping {
  /** Its pieces; none while it waits for a group. */
  readonly segments: readonly DmaSegment[];
  /** What devices may do. */
  readonly access: DmaAccess;
}

/** What there is to draw. */
export interface IovaSpace {
  /** What the IOMMU can map, ends included; `undefined` if it is not known yet. */
  readonly ranges: readonly IovaRange[] | undefined;
  /** What is mapped, or waits for a group. */
  readonly mappings: readonly DrawnMapping[];
  /** Ranges that are never given out. */
  readonly reserved: readonly IovaRange[];
  /** How many address bits the device drives. */
  readonly addressBits: number;
}

/** One line of the drawing. */
interface Line {
  readonly start: bigint;
  readonly end: bigint;
  readonly mark: string;
  readonly text: string;
}

/**
 * Draws an IOVA space as text, lowest address first, one line for each stretch of a mapping: `#` mapped, `·` free, `x` reserved
 * by the allocator's owner, `-` out of the device's reach, and a blank where the IOMMU maps nothing.
 * @example
 * ```ts
 * import { drawIovaSpace } from "@vfio/dma";
 *
 * const picture = drawIovaSpace({
 *   ranges: [{ start: 0n, end: 0xffff_ffffn }],
 *   mappings: [{ segments: [{ offset: 0, iova: 0x20_0000n, bytes: 2 << 20 }], access: "read-only" }],
 *   reserved: [],
 *   addressBits: 32,
 * });
 * console.log(picture.includes("mapped, read-only")); // true
 * ```
 */
export function drawIovaSpace(space: IovaSpace): string {
  checkSpace(space);
  const waiting = waitingText(space.mappings.filter(({ segments }) => segments.length === 0).length);
  if (space.ranges === undefined) return `IOVA space: unknown until the container has a group${waiting}`;
  const last = (1n << BigInt(space.addressBits)) - 1n;
  const mapped = space.mappings.flatMap(mappedLines);
  const lines: Line[] = [...mapped, ...space.reserved.map(reservedLine)];
  for (const range of space.ranges) lines.push(...freeLines(range, [...mapped, ...space.reserved], last));
  lines.push(...holes(space.ranges));
  lines.sort((one, other) => (one.start < other.start ? -1 : 1));
  const width = Math.max(...lines.map(({ end }) => end.toString(16).length), 1);
  return [`IOVA space${waiting}`, ...lines.map((line) => drawLine(line, width))].join("\n");
}

function checkSpace(space: Partial<Record<keyof IovaSpace, unknown>>): void {
  const expected = "an IOVA space: { ranges, mappings, reserved, addressBits },";
  checkObject(space, expected);
  const { ranges = [], mappings, reserved, addressBits } = space;
  const areLists = isList(ranges) && isList(mappings) && isList(reserved);
  if (!areLists || !Number.isInteger(addressBits)) throw argumentError(space, expected);
}

function waitingText(count: number): string {
  if (count === 0) return "";
  return count === 1
    ? ", and a mapping that waits for a group"
    : `, and ${count} mappings that wait for a group`;
}

function drawLine({ start, end, mark, text }: Line, width: number): string {
  const address = (value: bigint): string => `0x${value.toString(16).padStart(width, "0")}`;
  return `  ${address(start)} – ${address(end)}  ${mark.repeat(4)}  ${size(end - start + 1n).padStart(9)}  ${text}`;
}

/** One line for each part of a mapping that is one piece for the device. */
function mappedLines({ segments, access }: DrawnMapping): Line[] {
  return joined(segments).map(({ offset, iova, bytes }) => {
    const pieces = segments.filter((each) => each.offset >= offset && each.offset < offset + bytes).length;
    const cut = pieces === 1 ? "" : ` in ${pieces} pieces`;
    const limit = access === "read-write" ? "" : `, ${access}`;
    return { start: iova, end: iova + BigInt(bytes) - 1n, mark: "#", text: `mapped${cut}${limit}` };
  });
}

function reservedLine({ start, end }: IovaRange): Line {
  return { start, end, mark: "x", text: "reserved" };
}

/** What of a usable range is left between the things in it; cut where the device's reach ends. */
function freeLines(range: IovaRange, things: readonly IovaRange[], last: bigint): Line[] {
  const inside = things
    .filter(({ start, end }) => start <= range.end && end >= range.start)
    .sort((one, other) => (one.start < other.start ? -1 : 1));
  const lines: Line[] = [];
  let at = range.start;
  for (const { start, end } of [...inside, { start: range.end + 1n, end: range.end + 1n }]) {
    if (start > at) lines.push(...freeLine(at, start - 1n, last));
    if (end + 1n > at) at = end + 1n;
  }
  return lines;
}

function freeLine(start: bigint, end: bigint, last: bigint): Line[] {
  const free: Line = { start, end, mark: "·", text: "free" };
  const beyond: Line = { start, end, mark: "-", text: "out of the device's reach" };
  if (end <= last) return [free];
  if (start > last) return [beyond];
  return [
    { ...free, end: last },
    { ...beyond, start: last + 1n },
  ];
}

function holes(ranges: readonly IovaRange[]): Line[] {
  return ranges.slice(1).map((range, index) => {
    const before = ranges[index]?.end ?? 0n;
    return {
      start: before + 1n,
      end: range.start - 1n,
      mark: " ",
      text: "not mappable (interrupt window or reserved by firmware)",
    };
  });
}

/** Exact: in the largest unit that gives a whole number. */
function size(bytes: bigint): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let value = bytes;
  let unit = 0;
  for (; value % 1024n === 0n && unit < units.length - 1; unit++) value /= 1024n;
  return `${value} ${units[unit] ?? "B"}`;
}

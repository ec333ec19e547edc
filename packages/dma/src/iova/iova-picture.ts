import { type Extent, type IovaRange, type DmaAccess } from "@vfio/ioctl-native";
import { bytesOf, joinAdjacent, rangeOf, RangeSet } from "@vfio/ioctl-native/internal";
import { argumentError, checkObject, isList } from "../arguments.js";

/** A mapping, as {@link drawIovaSpace} shows it. */
export interface DrawnMapping {
  /** None while the mapping waits for a group. */
  readonly pieces: readonly Extent[];
  readonly access: DmaAccess;
}

/** Input of {@link drawIovaSpace}. */
export interface IovaSpace {
  /** What the IOMMU can map, ends included; `undefined` if not known yet. */
  readonly ranges: readonly IovaRange[] | undefined;
  readonly mappings: readonly DrawnMapping[];
  readonly reserved: readonly IovaRange[];
  readonly addressBits: number;
}

interface Line extends IovaRange {
  readonly mark: string;
  readonly text: string;
}

/**
 * Draws an IOVA space as text, lowest address first, one line for each extent of a mapping: `#` mapped, `·` free, `x` reserved
 * by the allocator's owner, `-` out of the device's reach, and a blank where the IOMMU maps nothing.
 * @example
 * ```ts
 * import { drawIovaSpace } from "@vfio/dma";
 *
 * const picture = drawIovaSpace({
 *   ranges: [{ start: 0n, end: 0xffff_ffffn }],
 *   mappings: [{ pieces: [{ offset: 0, iova: 0x20_0000n, bytes: 2 << 20 }], access: "read-only" }],
 *   reserved: [],
 *   addressBits: 32,
 * });
 * console.log(picture.includes("mapped, read-only")); // true
 * ```
 */
export function drawIovaSpace(space: IovaSpace): string {
  checkSpace(space);
  const waiting = waitingText(space.mappings.filter(({ pieces }) => pieces.length === 0).length);
  if (space.ranges === undefined) return `IOVA space: unknown until the container has a group${waiting}`;
  const last = (1n << BigInt(space.addressBits)) - 1n;
  const mapped = space.mappings.flatMap(mappedLines);
  const lines: Line[] = [...mapped, ...space.reserved.map(reservedLine), ...unmappableLines(space.ranges)];
  for (const range of space.ranges) lines.push(...freeLines(range, [...mapped, ...space.reserved], last));
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
  return `  ${address(start)} – ${address(end)}  ${mark.repeat(4)}  ${size(bytesOf({ start, end })).padStart(9)}  ${text}`;
}

function mappedLines({ pieces, access }: DrawnMapping): Line[] {
  return joinAdjacent(pieces).map((extent) => {
    const { offset, bytes } = extent;
    const count = pieces.filter((each) => each.offset >= offset && each.offset < offset + bytes).length;
    const cut = count === 1 ? "" : ` in ${count} pieces`;
    const limit = access === "read-write" ? "" : `, ${access}`;
    return { ...rangeOf(extent), mark: "#", text: `mapped${cut}${limit}` };
  });
}

function reservedLine({ start, end }: IovaRange): Line {
  return { start, end, mark: "x", text: "reserved" };
}

/** The gaps between the things in a usable range, cut where the device's reach ends. */
function freeLines(range: IovaRange, things: readonly IovaRange[], last: bigint): Line[] {
  const free = new RangeSet();
  free.add(range);
  for (const thing of things) free.cut(thing);
  return free.all.flatMap((each) => freeLine(each, last));
}

function freeLine({ start, end }: IovaRange, last: bigint): Line[] {
  const free: Line = { start, end, mark: "·", text: "free" };
  const beyond: Line = { start, end, mark: "-", text: "out of the device's reach" };
  if (end <= last) return [free];
  if (start > last) return [beyond];
  return [
    { ...free, end: last },
    { ...beyond, start: last + 1n },
  ];
}

function unmappableLines(ranges: readonly IovaRange[]): Line[] {
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

import { bitsOf } from "./bits.js";
import { checkConfigReader, type ConfigReader, type SizedConfig } from "./config-reader.js";

const STATUS = 0x06;
const STATUS_CAPABILITIES_LIST = 1 << 4;
const HEADER_TYPE = 0x0e;
const CARDBUS = 2;
const CAPABILITIES_POINTER = 0x34;
const CARDBUS_CAPABILITIES_POINTER = 0x14;
const HEADER_BYTES = 0x40;
const CARDBUS_HEADER_BYTES = 0x80;
/** The end of the standard capabilities and start of the extended ones. */
const STANDARD_BYTES = 0x100;
const EXTENDED_BYTES = 0x1000;
const NOTHING_THERE = 0xff;

/** A capability, found but not decoded. */
export interface CapabilityPlace {
  /** Of the standard capabilities, 0x05 is MSI and 0x10 PCI Express; of the extended ones, 0x0001 is AER. */
  readonly id: number;
  readonly offset: number;
  /** In PCI Express's list from 0x100 on, which has other ids. */
  readonly extended: boolean;
  /** 0 for a standard capability, which has none. */
  readonly version: number;
}

/** The result of a walk along a capability list. */
export interface CapabilityWalk {
  /** In the list's order. Each begins inside its area; its length is unknown. */
  readonly found: readonly CapabilityPlace[];
  /** Why the walk ended before the list's end, if it did. What was found is still true. */
  readonly problem: string | undefined;
}

/**
 * Walks the standard capability list (PCI Local Bus 3.0, section 6.7). Device data cannot make it throw: a list that
 * leaves its area, comes back to itself or reads all ones ends there, and `problem` says so.
 * @param end of the readable part, at most 256.
 * @throws VfioRangeError `ERR_VFIO_ARGUMENT` if `config` is no config space.
 */
export function walkStandardCapabilities(config: ConfigReader, end = STANDARD_BYTES): CapabilityWalk {
  checkConfigReader(config);
  if ((config.read16(STATUS) & STATUS_CAPABILITIES_LIST) === 0) return { found: [], problem: undefined };
  const cardbus = (config.read8(HEADER_TYPE) & 0x7f) === CARDBUS;
  const first = cardbus ? CARDBUS_HEADER_BYTES : HEADER_BYTES;
  const pointer = cardbus ? CARDBUS_CAPABILITIES_POINTER : CAPABILITIES_POINTER;
  const area = { first, end: Math.min(end, STANDARD_BYTES) };
  // The two lowest bits of every pointer are reserved: mask them off.
  return walk(config.read8(pointer) & 0xfc, area, (offset) => {
    const id = config.read8(offset);
    const next = config.read8(offset + 1) & 0xfc;
    return {
      place: { id, offset, extended: false, version: 0 },
      next,
      empty: false,
      broken: id === NOTHING_THERE,
    };
  });
}

/**
 * Walks the extended capability list, which begins at 0x100 (PCI Express Base 3.0, section 7.9). Never throws, as
 * {@link walkStandardCapabilities}. A config space of 256 bytes has none.
 */
export function walkExtendedCapabilities(config: SizedConfig): CapabilityWalk {
  checkConfigReader(config);
  const area = { first: STANDARD_BYTES, end: Math.min(config.bytes, EXTENDED_BYTES) };
  if (area.end <= STANDARD_BYTES) return { found: [], problem: undefined };
  return walk(STANDARD_BYTES, area, (offset) => {
    const header = config.read32(offset);
    const place = { id: header & 0xffff, offset, extended: true, version: bitsOf(header, 16, 4) };
    return {
      place,
      next: bitsOf(header, 20, 12) & 0xffc,
      empty: header === 0,
      broken: header === 0xffffffff,
    };
  });
}

interface Step {
  readonly place: CapabilityPlace;
  readonly next: number;
  readonly empty: boolean;
  /** All ones: the device does not answer. */
  readonly broken: boolean;
}

function walk(
  start: number,
  area: { readonly first: number; readonly end: number },
  stepAt: (offset: number) => Step,
): CapabilityWalk {
  const found: CapabilityPlace[] = [];
  const seen = new Set<number>();
  for (let offset = start; offset !== 0;) {
    const where = `0x${offset.toString(16)}`;
    if (offset < area.first || offset + 4 > area.end)
      return { found, problem: `the list leaves its area at ${where}` };
    if (seen.has(offset)) return { found, problem: `the list comes back to ${where}` };
    seen.add(offset);
    const { place, next, empty, broken } = stepAt(offset);
    if (empty) break;
    if (broken) return { found, problem: `nothing answers at ${where}: it reads all ones` };
    found.push(place);
    offset = next;
  }
  return { found, problem: undefined };
}

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
/** Where the standard capabilities end and the extended ones begin. */
const STANDARD_BYTES = 0x100;
const EXTENDED_BYTES = 0x1000;
const NOTHING_THERE = 0xff;

/** Where a capability was found. */
export interface CapabilityPlace {
  /** Which capability: of the standard ones, 0x05 is MSI and 0x10 PCI Express; of the extended ones, 0x0001 is AER. */
  readonly id: number;
  /** Where it begins in the config space. */
  readonly offset: number;
  /** It is in the list that begins at 0x100, which PCI Express devices have. Its ids are others. */
  readonly extended: boolean;
  /** The version of an extended capability; 0 for a standard one, which has none. */
  readonly version: number;
}

/** What a walk along a capability list found. */
export interface CapabilityWalk {
  /** The capabilities in the list's order. Each begins inside its area; nothing is known of its length. */
  readonly found: readonly CapabilityPlace[];
  /** Why the walk ended before the list's end, or `undefined` if it did not. What was found before is still true. */
  readonly problem: string | undefined;
}

/**
 * Walks the standard capability list (PCI Local Bus 3.0, section 6.7). It never throws for what a device says: a list
 * that leaves its area, comes back to itself or reads all ones ends there, and `problem` says so.
 * @param end where the readable part ends, at most 256.
 * @throws VfioRangeError `ERR_VFIO_ARGUMENT` for what is no config space.
 */
export function walkStandardCapabilities(config: ConfigReader, end = STANDARD_BYTES): CapabilityWalk {
  checkConfigReader(config);
  if ((config.read16(STATUS) & STATUS_CAPABILITIES_LIST) === 0) return { found: [], problem: undefined };
  const cardbus = (config.read8(HEADER_TYPE) & 0x7f) === CARDBUS;
  const first = cardbus ? CARDBUS_HEADER_BYTES : HEADER_BYTES;
  const pointer = cardbus ? CARDBUS_CAPABILITIES_POINTER : CAPABILITIES_POINTER;
  const area = { first, end: Math.min(end, STANDARD_BYTES) };
  // The two lowest bits of every pointer are reserved and must be masked off.
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
  /** There is nothing here, and that is how an empty list ends. */
  readonly empty: boolean;
  /** All ones: nobody answers. */
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

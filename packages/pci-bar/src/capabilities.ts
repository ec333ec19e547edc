/** PCI Local Bus Specification 3.0, section 6.7: the status register's bit that says there is a list at all. */
const STATUS = 0x06;
const STATUS_CAPABILITIES_LIST = 1 << 4;
const CAPABILITIES_POINTER = 0x34;
const HEADER_END = 0x40;
const CAPABILITY_ID_MSIX = 0x11;
const MSIX_BYTES = 12;
const STANDARD_SPACE = 0x100;
const LAST_BAR = 5;

/** What the walker needs: any config space, or a picture of one. */
export interface ConfigReader {
  /** Reads 8 bits at a byte offset. */
  read8(offset: number): number;
  /** Reads 16 bits, little-endian, at a multiple of 2. */
  read16(offset: number): number;
  /** Reads 32 bits, little-endian, at a multiple of 4. */
  read32(offset: number): number;
}

/** One entry of the standard capability list. */
export interface PciCapability {
  /** Which capability: 0x05 is MSI, 0x10 PCI Express, 0x11 MSI-X. */
  readonly id: number;
  /** Where it begins in the config space. */
  readonly offset: number;
}

/** Where a device's MSI-X table lies. */
export interface MsixTable {
  /** The BAR that holds it, 0 to 5. */
  readonly bar: number;
  /** Where it begins in that BAR, in bytes. */
  readonly offset: number;
  /** How many entries of 16 bytes it has, 1 to 2048. */
  readonly vectors: number;
}

/**
 * Walks the standard capability list. A list that leaves its area or comes back to itself ends there: broken
 * devices have such lists, and what was found before is still true.
 * @example
 * ```ts
 * import { listCapabilities } from "@vfio/pci-bar";
 *
 * // A picture of a config space: one capability, MSI (5), at 0x40.
 * const space = new Uint8Array(256);
 * space.set([0x10], 0x06); // the status register: there is a list
 * space.set([0x40], 0x34);
 * space.set([0x05, 0x00], 0x40);
 * const view = new DataView(space.buffer);
 * const config = {
 *   read8: (offset: number) => view.getUint8(offset),
 *   read16: (offset: number) => view.getUint16(offset, true),
 *   read32: (offset: number) => view.getUint32(offset, true),
 * };
 * console.log(listCapabilities(config).length); // 1
 * ```
 */
export function listCapabilities(config: ConfigReader): PciCapability[] {
  if ((config.read16(STATUS) & STATUS_CAPABILITIES_LIST) === 0) return [];
  const found: PciCapability[] = [];
  const seen = new Set<number>();
  // The two lowest bits of every pointer are reserved and must be masked off.
  for (let offset = config.read8(CAPABILITIES_POINTER) & 0xfc; offset >= HEADER_END && !seen.has(offset);) {
    seen.add(offset);
    found.push({ id: config.read8(offset), offset });
    offset = config.read8(offset + 1) & 0xfc;
  }
  return found;
}

/** The MSI-X table's place (PCI 3.0, section 6.8.2), or `undefined` if the device has no MSI-X, or names no BAR. */
export function findMsixTable(config: ConfigReader): MsixTable | undefined {
  const capability = listCapabilities(config).find(({ id }) => id === CAPABILITY_ID_MSIX);
  // Broken devices place it so that its 12 bytes reach out of the area that standard capabilities have.
  if (capability === undefined || capability.offset + MSIX_BYTES > STANDARD_SPACE) return undefined;
  const place = config.read32(capability.offset + 4);
  const bar = place & 7;
  // BIR values 6 and 7 are reserved (PCI 3.0, section 6.8.2.3): the table is then in no BAR that could be left out.
  if (bar > LAST_BAR) return undefined;
  return {
    bar,
    offset: (place & ~7) >>> 0,
    vectors: (config.read16(capability.offset + 2) & 0x7ff) + 1,
  };
}

import { CapabilityOutOfArea, CapabilityView } from "./capability-view.js";
import { decodeMsix } from "./capabilities/msix.js";
import { walkStandardCapabilities } from "./capability-walk.js";
import type { ConfigReader } from "./config-reader.js";

const CAPABILITY_ID_MSIX = 0x11;
const STANDARD_BYTES = 0x100;
const LAST_BAR = 5;

/** One entry of the standard capability list. */
export interface PciCapability {
  /** 0x05 is MSI, 0x10 PCI Express, 0x11 MSI-X. */
  readonly id: number;
  readonly offset: number;
}

/** The place of a device's MSI-X table. */
export interface MsixTable {
  /** 0 to 5. */
  readonly bar: number;
  /** In the BAR, in bytes. */
  readonly offset: number;
  /** The number of entries of 16 bytes, 1 to 2048. */
  readonly vectors: number;
}

/**
 * Walks the standard capability list. A list that leaves its area or comes back to itself, as broken devices have, ends
 * there; `walkStandardCapabilities` says what was wrong.
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
  return walkStandardCapabilities(config).found.map(({ id, offset }) => ({ id, offset }));
}

/** The place of the MSI-X table (PCI 3.0, section 6.8.2); `undefined` if the device has no MSI-X, or names no BAR. */
export function findMsixTable(config: ConfigReader): MsixTable | undefined {
  const capability = listCapabilities(config).find(({ id }) => id === CAPABILITY_ID_MSIX);
  if (capability === undefined) return undefined;
  try {
    const { table, vectors } = decodeMsix(new CapabilityView(config, capability.offset, STANDARD_BYTES));
    // BIR values 6 and 7 are reserved (PCI 3.0, section 6.8.2.3): the table is then in no BAR.
    return table.bar > LAST_BAR ? undefined : { ...table, vectors };
  } catch (error) {
    // Broken devices place it so that its 12 bytes leave the area of standard capabilities.
    if (error instanceof CapabilityOutOfArea) return undefined;
    throw error;
  }
}

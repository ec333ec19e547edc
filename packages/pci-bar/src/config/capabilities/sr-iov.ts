import { decodeBars, type BaseAddress } from "../bars.js";
import {
  bitsOf,
  decodeFlags,
  flagText,
  hex,
  isSet,
  plusMinus,
  type BitFlags,
  type FlagTable,
} from "../bits.js";
import type { CapabilityView } from "../capability-view.js";

/** What is switched on for virtual functions. */
export type SrIovControlFlag =
  "enabled" | "migration" | "migrationInterrupt" | "memorySpace" | "ariHierarchy" | "tenBitTagRequester";

/** Single root I/O virtualization (SR-IOV 1.1, section 3.3; PCI Express Base 5.0, section 9.3.3). */
export interface SrIov {
  /** The device can migrate virtual functions; they may use 10-bit tags. */
  readonly support: BitFlags<"migration" | "tenBitTagRequester">;
  /** The MSI or MSI-X vector for migration interrupts. */
  readonly interruptMessage: number;
  /** What is switched on. `enabled`: the virtual functions are there. `memorySpace`: they answer at their BARs. */
  readonly control: BitFlags<SrIovControlFlag>;
  /** A migration was asked for. */
  readonly migrationStatus: boolean;
  /** How many virtual functions there are at first. */
  readonly initialVfs: number;
  /** The most that there can be. */
  readonly totalVfs: number;
  /** How many are asked for now. */
  readonly vfs: number;
  /** The function that this one depends on; its own number if on none. */
  readonly dependencyLink: number;
  /** The routing id of the first virtual function, counted from this function's. */
  readonly vfOffset: number;
  /** The routing id from one virtual function to the next. */
  readonly vfStride: number;
  /** The device id of the virtual functions. */
  readonly vfDeviceId: number;
  /** One bit for each page size it can do: bit n is 2^(n+12) bytes. */
  readonly supportedPageSizes: number;
  /** The page size in use, as such a bit. */
  readonly systemPageSize: number;
  /** Where the virtual functions' BARs are: all functions' after one another. */
  readonly bars: readonly BaseAddress[];
  /** Where the migration state array is. */
  readonly migrationState: {
    /** The BAR that holds it. */
    readonly bar: number;
    /** Where it begins in that BAR, in bytes. */
    readonly offset: number;
  };
}

const SUPPORT: FlagTable<keyof SrIov["support"]> = {
  migration: [0, "Migration"],
  tenBitTagRequester: [2, "10BitTagReq"],
};
const CONTROL: FlagTable<SrIovControlFlag> = {
  enabled: [0, "Enable"],
  migration: [1, "Migration"],
  migrationInterrupt: [2, "Interrupt"],
  memorySpace: [3, "MSE"],
  ariHierarchy: [4, "ARIHierarchy"],
  tenBitTagRequester: [5, "10BitTagReq"],
};
const FIRST_BAR = 0x24;
const BARS = 6;

/** Reads the 64 bytes of SR-IOV. */
export function decodeSrIov(view: CapabilityView): SrIov {
  const capabilities = view.read32(0x04);
  const migration = view.read32(0x3c);
  return {
    support: decodeFlags(SUPPORT, capabilities),
    interruptMessage: bitsOf(capabilities, 21, 11),
    control: decodeFlags(CONTROL, view.read16(0x08)),
    migrationStatus: isSet(view.read16(0x0a), 0),
    initialVfs: view.read16(0x0c),
    totalVfs: view.read16(0x0e),
    vfs: view.read16(0x10),
    dependencyLink: view.read8(0x12),
    vfOffset: view.read16(0x14),
    vfStride: view.read16(0x16),
    vfDeviceId: view.read16(0x1a),
    supportedPageSizes: view.read32(0x1c),
    systemPageSize: view.read32(0x20),
    bars: decodeBars(Array.from({ length: BARS }, (_, index) => view.read32(FIRST_BAR + 4 * index))),
    migrationState: { bar: bitsOf(migration, 0, 3), offset: migration - bitsOf(migration, 0, 3) },
  };
}

export function describeSrIov(iov: SrIov): string[] {
  const { bar, offset } = iov.migrationState;
  return [
    "Single Root I/O Virtualization (SR-IOV)",
    `\t\tIOVCap:\t${flagText(SUPPORT, iov.support)} Interrupt Message Number: ${hex(iov.interruptMessage, 3)}`,
    `\t\tIOVCtl:\t${flagText(CONTROL, iov.control)}`,
    `\t\tIOVSta:\tMigration${plusMinus(iov.migrationStatus)}`,
    `\t\tInitial VFs: ${iov.initialVfs}, Total VFs: ${iov.totalVfs}, Number of VFs: ${iov.vfs}, ` +
      `Function Dependency Link: ${hex(iov.dependencyLink, 2)}`,
    `\t\tVF offset: ${iov.vfOffset}, stride: ${iov.vfStride}, Device ID: ${hex(iov.vfDeviceId, 4)}`,
    `\t\tSupported Page Size: ${hex(iov.supportedPageSizes, 8)}, System Page Size: ${hex(iov.systemPageSize, 8)}`,
    ...iov.bars.map(describeVfBar),
    `\t\tVF Migration: offset: ${hex(offset, 8)}, BIR: ${bar}`,
  ];
}

function describeVfBar({ index, kind, prefetchable, address }: BaseAddress): string {
  const digits = kind === "mem64" ? 16 : 8;
  const width = kind === "mem32" ? "32-bit" : "64-bit";
  const reads = prefetchable ? "prefetchable" : "non-prefetchable";
  return `\t\tRegion ${index}: Memory at ${hex(address, digits)} (${width}, ${reads})`;
}

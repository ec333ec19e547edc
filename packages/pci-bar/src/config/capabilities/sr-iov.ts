import { decodeBars, type BaseAddress } from "../bars.js";
import { bitsOf, decodeFlags, flagTable, flagText, hex, isSet, plusMinus } from "../bits.js";
import type { CapabilityView } from "../capability-view.js";
import { placeOf } from "./msix.js";

const SUPPORT = flagTable({
  migration: [0, "Migration"],
  tenBitTagRequester: [2, "10BitTagReq"],
});
const CONTROL = flagTable({
  enabled: [0, "Enable"],
  migration: [1, "Migration"],
  migrationInterrupt: [2, "Interrupt"],
  memorySpace: [3, "MSE"],
  ariHierarchy: [4, "ARIHierarchy"],
  tenBitTagRequester: [5, "10BitTagReq"],
});
/** Controls of virtual functions. @useDeclaredType */
export type SrIovControlFlag = keyof typeof CONTROL;

const FIRST_BAR = 0x24;
const BARS = 6;

/** Single root I/O virtualization (SR-IOV 1.1, section 3.3; PCI Express Base 5.0, section 9.3.3). @useDeclaredType */
export type SrIov = ReturnType<typeof decodeSrIov>;

export function decodeSrIov(view: CapabilityView) {
  const capabilities = view.read32(0x04);
  const registers = Array.from({ length: BARS }, (_, index) => view.read32(FIRST_BAR + 4 * index));
  const bars: readonly BaseAddress[] = decodeBars(registers);
  return {
    /** Whether the device can migrate virtual functions, and they may use 10-bit tags. */
    support: decodeFlags(SUPPORT, capabilities),
    interruptMessage: bitsOf(capabilities, 21, 11),
    /** `enabled`: the virtual functions exist. `memorySpace`: they answer at their BARs. */
    control: decodeFlags(CONTROL, view.read16(0x08)),
    migrationStatus: isSet(view.read16(0x0a), 0),
    initialVfs: view.read16(0x0c),
    totalVfs: view.read16(0x0e),
    vfs: view.read16(0x10),
    /** The function that this one depends on; its own number for none. */
    dependencyLink: view.read8(0x12),
    /** The first virtual function's routing id, counted from this function's. */
    vfOffset: view.read16(0x14),
    /** The distance of two virtual functions' routing ids. */
    vfStride: view.read16(0x16),
    vfDeviceId: view.read16(0x1a),
    /** Bit n means pages of 2^(n+12) bytes. */
    supportedPageSizes: view.read32(0x1c),
    /** The page size in use, as one of these bits. */
    systemPageSize: view.read32(0x20),
    /** The virtual functions' BARs: those of all functions in a row. */
    bars,
    migrationState: placeOf(view.read32(0x3c)),
  } as const;
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

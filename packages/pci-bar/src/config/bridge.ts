import { bitsOf, decodeFlags, flagTable, wide, type BitFlags } from "./bits.js";
import type { ConfigReader } from "./config-reader.js";

/** A range of addresses that a bridge passes on to the buses behind it. */
export interface BridgeWindow {
  readonly base: bigint;
  /** The last address. Below `base` if the window is closed. */
  readonly limit: bigint;
  /** 16 or 32 for I/O ports, 32 or 64 for memory. */
  readonly addressBits: number;
}

export const BRIDGE_CONTROL = flagTable({
  parityErrors: [0, "Parity"],
  systemErrors: [1, "SERR"],
  isaOff: [2, "NoISA"],
  vga: [3, "VGA"],
  vga16: [4, "VGA16"],
  masterAbort: [5, "MAbort"],
  secondaryReset: [6, ">Reset"],
  fastBackToBack: [7, "FastB2B"],
  primaryDiscardTimer: [8, "PriDiscTmr"],
  secondaryDiscardTimer: [9, "SecDiscTmr"],
  discardTimerStatus: [10, "DiscTmrStat"],
  discardTimerErrors: [11, "DiscTmrSERREn"],
});
/** Bits of the bridge control register (PCI-to-PCI Bridge Architecture 1.2, section 3.2.5.18). @useDeclaredType */
export type BridgeControlFlag = keyof typeof BRIDGE_CONTROL;

/** The buses at a bridge's two sides. @useDeclaredType */
export type BridgeBuses = ReturnType<typeof decodeBuses>;

export function decodeBuses(config: ConfigReader) {
  return {
    primary: config.read8(0x18),
    /** The bus right behind the bridge. */
    secondary: config.read8(0x19),
    /** The last bus behind the bridge. */
    subordinate: config.read8(0x1a),
    /** Of the secondary bus, in bus clocks. */
    latencyTimer: config.read8(0x1b),
  } as const;
}

export function decodeBridgeControl(config: ConfigReader): BitFlags<BridgeControlFlag> {
  return decodeFlags(BRIDGE_CONTROL, config.read16(0x3e));
}

/**
 * A bridge's windows (PCI-to-PCI Bridge Architecture 1.2, section 3.2.5); `undefined` for a reserved type.
 * @useDeclaredType
 */
export type BridgeWindows = ReturnType<typeof decodeWindows>;

export function decodeWindows(config: ConfigReader) {
  return {
    io: ioWindow(config),
    memory: memoryWindow(config),
    /** Memory whose reads have no side effects. */
    prefetchable: prefetchableWindow(config),
  } as const;
}

/** The low four bits of base and limit are the type; if they differ, there is no window. */
function typeOf(base: number, limit: number, known: readonly number[]): number | undefined {
  const type = bitsOf(base, 0, 4);
  return type === bitsOf(limit, 0, 4) && known.includes(type) ? type : undefined;
}

function ioWindow(config: ConfigReader): BridgeWindow | undefined {
  const [base, limit] = [config.read8(0x1c), config.read8(0x1d)];
  const type = typeOf(base, limit, [0, 1]);
  if (type === undefined) return undefined;
  const [upperBase, upperLimit] = type === 1 ? [config.read16(0x30), config.read16(0x32)] : [0, 0];
  return {
    base: BigInt(upperBase * 2 ** 16 + bitsOf(base, 4, 4) * 2 ** 12),
    limit: BigInt(upperLimit * 2 ** 16 + bitsOf(limit, 4, 4) * 2 ** 12 + 0xfff),
    addressBits: type === 1 ? 32 : 16,
  };
}

function memoryWindow(config: ConfigReader): BridgeWindow | undefined {
  const [base, limit] = [config.read16(0x20), config.read16(0x22)];
  return typeOf(base, limit, [0]) === undefined ? undefined : megabytes(base, limit, 0, 0, 32);
}

function prefetchableWindow(config: ConfigReader): BridgeWindow | undefined {
  const [base, limit] = [config.read16(0x24), config.read16(0x26)];
  const type = typeOf(base, limit, [0, 1]);
  if (type === undefined) return undefined;
  return type === 0
    ? megabytes(base, limit, 0, 0, 32)
    : megabytes(base, limit, config.read32(0x28), config.read32(0x2c), 64);
}

function megabytes(
  base: number,
  limit: number,
  upperBase: number,
  upperLimit: number,
  addressBits: number,
): BridgeWindow {
  return {
    base: wide(upperBase, bitsOf(base, 4, 12) * 2 ** 20),
    limit: wide(upperLimit, bitsOf(limit, 4, 12) * 2 ** 20 + 0xfffff),
    addressBits,
  };
}

import { decodeBars, type BaseAddress } from "./bars.js";
import { bitsOf, decodeFlags, isSet } from "./bits.js";
import { decodeBridgeControl, decodeBuses, decodeWindows, type BridgeBuses } from "./bridge.js";
import type { SubsystemIds } from "./capabilities/subsystem-ids.js";
import { COMMAND, deviceSelectOf, SECONDARY_STATUS, STATUS } from "./command-status.js";
import { checkConfigReader, type ConfigReader } from "./config-reader.js";

/** A function's class (PCI Local Bus 3.0, appendix D). */
export interface ClassCode {
  /** 0x01 is storage, 0x02 network, 0x06 a bridge. */
  readonly base: number;
  readonly sub: number;
  readonly programmingInterface: number;
}

/** The built-in self test. */
export interface SelfTest {
  readonly capable: boolean;
  readonly running: boolean;
  /** The last result: 0 is success. */
  readonly code: number;
}

/** The expansion ROM's base address register. */
export interface RomBase {
  /** On the bus; 0 if none is assigned. */
  readonly address: bigint;
  /** The ROM answers, if the memory space is on. */
  readonly enabled: boolean;
}

/** The header of a CardBus bridge, type 2. Its windows are not decoded. */
export interface CardbusHeader extends HeaderBase {
  readonly kind: "cardbus";
  readonly bars: readonly BaseAddress[];
  readonly buses: BridgeBuses;
}

/** A header of an unknown type: only the fields of every header are decoded. */
export interface UnknownHeader extends HeaderBase {
  readonly kind: "unknown";
}

/** A decoded header; `kind` tells which. */
export type PciHeader = DeviceHeader | BridgeHeader | CardbusHeader | UnknownHeader;

/**
 * Decodes the first 64 bytes of a config space.
 * @throws VfioRangeError `ERR_VFIO_CONFIG_OFFSET` if there are fewer than 64 bytes; `ERR_VFIO_ARGUMENT`.
 */
export function decodeHeader(config: ConfigReader): PciHeader {
  checkConfigReader(config);
  const base = decodeBase(config);
  if (base.headerType === 0) return deviceHeader(base, config);
  if (base.headerType === 1) return bridgeHeader(base, config);
  if (base.headerType !== 2) return { ...base, kind: "unknown" };
  return { ...base, kind: "cardbus", bars: barsOf(config, 1), buses: decodeBuses(config) };
}

/** The fields of every header (PCI Local Bus 3.0, section 6.1). @useDeclaredType */
export type HeaderBase = ReturnType<typeof decodeBase>;

function decodeBase(config: ConfigReader) {
  const [status, headerType] = [config.read16(0x06), config.read8(0x0e)];
  return {
    /** 0xffff: no device answers. */
    vendorId: config.read16(0x00),
    deviceId: config.read16(0x02),
    revision: config.read8(0x08),
    class: classOf(config),
    /** The layout of the rest: 0 a device, 1 a bridge, 2 a CardBus bridge. */
    headerType: bitsOf(headerType, 0, 7),
    multiFunction: isSet(headerType, 7),
    command: decodeFlags(COMMAND, config.read16(0x04)),
    status: decodeFlags(STATUS, status),
    deviceSelect: deviceSelectOf(status),
    /** As set by the firmware, in bytes. */
    cacheLineBytes: config.read8(0x0c) * 4,
    /** In bus clocks. */
    latencyTimer: config.read8(0x0d),
    selfTest: selfTestOf(config.read8(0x0f)),
    /** The firmware's note; the kernel's own number may differ. */
    interruptLine: config.read8(0x3c),
    /** 1 is INTA#, 4 INTD#, 0 none. */
    interruptPin: config.read8(0x3d),
  } as const;
}

function classOf(config: ConfigReader): ClassCode {
  return { base: config.read8(0x0b), sub: config.read8(0x0a), programmingInterface: config.read8(0x09) };
}

function selfTestOf(register: number): SelfTest {
  return { capable: isSet(register, 7), running: isSet(register, 6), code: bitsOf(register, 0, 4) };
}

/** The header of an ordinary device, type 0. @useDeclaredType */
export type DeviceHeader = ReturnType<typeof deviceHeader>;

function deviceHeader(base: HeaderBase, config: ConfigReader) {
  const subsystem: SubsystemIds = { vendorId: config.read16(0x2c), deviceId: config.read16(0x2e) };
  return {
    ...base,
    kind: "device",
    /** Up to six. */
    bars: barsOf(config, 6),
    rom: romOf(config.read32(0x30)),
    /** The board maker's ids; none if the vendor id is 0 or 0xffff. */
    subsystem,
    /** The place of the CardBus card information, 0 for none. */
    cardbusPointer: config.read32(0x28),
    /** The burst length it wants, in units of 250 ns. */
    minGrant: config.read8(0x3e),
    /** How soon it wants the bus, in units of 250 ns. */
    maxLatency: config.read8(0x3f),
  } as const;
}

/** The header of a PCI-to-PCI bridge, type 1: also of root ports and switch ports. @useDeclaredType */
export type BridgeHeader = ReturnType<typeof bridgeHeader>;

function bridgeHeader(base: HeaderBase, config: ConfigReader) {
  const status = config.read16(0x1e);
  return {
    ...base,
    kind: "bridge",
    /** Up to two. */
    bars: barsOf(config, 2),
    rom: romOf(config.read32(0x38)),
    buses: decodeBuses(config),
    windows: decodeWindows(config),
    secondaryStatus: decodeFlags(SECONDARY_STATUS, status),
    secondaryDeviceSelect: deviceSelectOf(status),
    control: decodeBridgeControl(config),
  } as const;
}

function barsOf(config: ConfigReader, count: number): readonly BaseAddress[] {
  return decodeBars(Array.from({ length: count }, (_, index) => config.read32(0x10 + 4 * index)));
}

function romOf(register: number): RomBase | undefined {
  if (register === 0) return undefined;
  return { address: BigInt(register - bitsOf(register, 0, 11)), enabled: isSet(register, 0) };
}

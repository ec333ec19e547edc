import { decodeBars, type BaseAddress } from "./bars.js";
import { bitsOf, decodeFlags, isSet } from "./bits.js";
import { decodeBridgeControl, decodeBuses, decodeWindows, type BridgeBuses } from "./bridge.js";
import type { SubsystemIds } from "./capabilities/subsystem-ids.js";
import { COMMAND, deviceSelectOf, SECONDARY_STATUS, STATUS } from "./command-status.js";
import { checkConfigReader, type ConfigReader } from "./config-reader.js";

/** What a function is for (PCI Local Bus 3.0, appendix D). */
export interface ClassCode {
  /** The base class: 0x01 is storage, 0x02 network, 0x06 a bridge. */
  readonly base: number;
  /** The class within it. */
  readonly sub: number;
  /** The programming interface. */
  readonly programmingInterface: number;
}

/** The built-in self test. */
export interface SelfTest {
  /** There is one. */
  readonly capable: boolean;
  /** It runs. */
  readonly running: boolean;
  /** How the last one ended: 0 is well. */
  readonly code: number;
}

/** The expansion ROM's base address register. */
export interface RomBase {
  /** Where it is on the bus, 0 where nobody has assigned an address. */
  readonly address: bigint;
  /** The ROM answers, if the memory space is on. */
  readonly enabled: boolean;
}

/** The header of a CardBus bridge, type 2. Its windows are not decoded. */
export interface CardbusHeader extends HeaderBase {
  /** A CardBus bridge. */
  readonly kind: "cardbus";
  /** Its one base address register. */
  readonly bars: readonly BaseAddress[];
  /** The buses at its sides. */
  readonly buses: BridgeBuses;
}

/** A header of a type that no specification knows: only what every header has is decoded. */
export interface UnknownHeader extends HeaderBase {
  /** Not known. */
  readonly kind: "unknown";
}

/** A decoded header; `kind` tells which. */
export type PciHeader = DeviceHeader | BridgeHeader | CardbusHeader | UnknownHeader;

/**
 * Decodes the first 64 bytes of a config space. Pure: it needs no device, and takes whatever the bytes say.
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

/** What every header has (PCI Local Bus 3.0, section 6.1). @useDeclaredType */
export type HeaderBase = ReturnType<typeof decodeBase>;

function decodeBase(config: ConfigReader) {
  const [status, headerType] = [config.read16(0x06), config.read8(0x0e)];
  return {
    /** The maker. 0xffff: nobody answers. */
    vendorId: config.read16(0x00),
    /** The maker's number of the device. */
    deviceId: config.read16(0x02),
    /** The maker's revision. */
    revision: config.read8(0x08),
    /** What it is for. */
    class: classOf(config),
    /** The layout of the rest: 0 a device, 1 a bridge, 2 a CardBus bridge. */
    headerType: bitsOf(headerType, 0, 7),
    /** There are other functions at its address. */
    multiFunction: isSet(headerType, 7),
    /** The command register. */
    command: decodeFlags(COMMAND, config.read16(0x04)),
    /** The status register. */
    status: decodeFlags(STATUS, status),
    /** When it answers that it is meant. */
    deviceSelect: deviceSelectOf(status),
    /** The cache line it was told of, in bytes. */
    cacheLineBytes: config.read8(0x0c) * 4,
    /** How long it may keep the bus, in bus clocks. */
    latencyTimer: config.read8(0x0d),
    /** The built-in self test. */
    selfTest: selfTestOf(config.read8(0x0f)),
    /** What the firmware noted of its interrupt. The kernel's own number may differ. */
    interruptLine: config.read8(0x3c),
    /** Its INTx pin: 1 is INTA#, 4 INTD#, 0 none. */
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
    /** A device. */
    kind: "device",
    /** Its base address registers, up to six. */
    bars: barsOf(config, 6),
    /** Its ROM, or `undefined` if the register reads 0. */
    rom: romOf(config.read32(0x30)),
    /** The board maker's ids. A vendor id of 0 or 0xffff: there are none. */
    subsystem,
    /** Where its CardBus card information is, 0 for nowhere. */
    cardbusPointer: config.read32(0x28),
    /** How long a burst it wants, in units of 250 ns. */
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
    /** A bridge. */
    kind: "bridge",
    /** Its base address registers, up to two. */
    bars: barsOf(config, 2),
    /** Its ROM, or `undefined` if the register reads 0. */
    rom: romOf(config.read32(0x38)),
    /** The buses at its sides. */
    buses: decodeBuses(config),
    /** What it lets through. */
    windows: decodeWindows(config),
    /** The status of its secondary side. */
    secondaryStatus: decodeFlags(SECONDARY_STATUS, status),
    /** When the secondary side answers. */
    secondaryDeviceSelect: deviceSelectOf(status),
    /** The bridge control register. */
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

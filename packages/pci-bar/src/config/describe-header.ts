import type { BaseAddress } from "./bars.js";
import { flagText, hex, type BitFlags } from "./bits.js";
import { BRIDGE_CONTROL, type BridgeControlFlag, type BridgeWindow } from "./bridge.js";
import type { SubsystemIds } from "./capabilities/subsystem-ids.js";
import { COMMAND, SECONDARY_STATUS, STATUS, type CommandFlag } from "./command-status.js";
import type { BridgeHeader, PciHeader, RomBase } from "./header.js";

const ROM_INDEX = 6;
const UNITS = ["", "K", "M", "G", "T"];
const PINS = ["?", "A", "B", "C", "D"];

export interface HeaderContext {
  readonly name: string | undefined;
  readonly regionBytes: readonly number[];
  /** In a bridge these ids are in a capability. */
  readonly subsystem: SubsystemIds | undefined;
}

export function describeHeader(header: PciHeader, { name, regionBytes, subsystem }: HeaderContext): string[] {
  return [
    titleOf(header, name),
    ...subsystemLine(subsystem),
    ...(header.kind === "unknown" ? [`\t!!! Unknown header type ${hex(header.headerType, 2)}`] : []),
    `\tControl: ${flagText(COMMAND, header.command)}`,
    statusLine(header),
    ...latencyLine(header),
    ...interruptLine(header),
    ...selfTestLine(header),
    ...(header.kind === "unknown" ? [] : header.bars.map((bar) => barLine(bar, header.command, regionBytes))),
    ...(header.kind === "bridge" ? bridgeLines(header, regionBytes) : []),
    ...(header.kind === "cardbus" ? [busLine(header)] : []),
    ...(header.kind === "device" ? romLine(header.rom, header.command, regionBytes) : []),
  ];
}

function titleOf({ class: code, vendorId, deviceId, revision }: PciHeader, name: string | undefined): string {
  const place = name === undefined ? "" : `${name} `;
  const ids = `Class [${hex(code.base, 2)}${hex(code.sub, 2)}]: Device [${hex(vendorId, 4)}:${hex(deviceId, 4)}]`;
  const rev = revision === 0 ? "" : ` (rev ${hex(revision, 2)})`;
  const progIf = code.programmingInterface === 0 ? "" : ` (prog-if ${hex(code.programmingInterface, 2)})`;
  return `${place}${ids}${rev}${progIf}`;
}

function subsystemLine(subsystem: SubsystemIds | undefined): string[] {
  if (subsystem === undefined || subsystem.vendorId === 0 || subsystem.vendorId === 0xffff) return [];
  const { vendorId, deviceId } = subsystem;
  return [`\tSubsystem: Device [${hex(vendorId, 4)}:${hex(deviceId, 4)}]`];
}

function statusLine({ status, deviceSelect }: PciHeader): string {
  const words = flagText(STATUS, status).split(" ");
  return `\tStatus: ${words.slice(0, 5).join(" ")} ${selectText(deviceSelect)} ${words.slice(5).join(" ")}`;
}

function selectText(select: string): string {
  return `DEVSEL=${select === "reserved" ? "??" : select}`;
}

function latencyLine(header: PciHeader): string[] {
  if (!header.command.busMaster) return [];
  const cacheLine = header.cacheLineBytes === 0 ? "" : `, Cache Line Size: ${header.cacheLineBytes} bytes`;
  return [`\tLatency: ${header.latencyTimer}${burstText(header)}${cacheLine}`];
}

function burstText(header: PciHeader): string {
  if (header.kind !== "device") return "";
  const { minGrant, maxLatency } = header;
  const least = minGrant === 0 ? [] : [`${minGrant * 250}ns min`];
  const most = maxLatency === 0 ? [] : [`${maxLatency * 250}ns max`];
  const both = [...least, ...most];
  return both.length === 0 ? "" : ` (${both.join(", ")})`;
}

function interruptLine({ interruptPin, interruptLine: line }: PciHeader): string[] {
  if (interruptPin === 0 && line === 0) return [];
  const pin = PINS[interruptPin] ?? `#${interruptPin}`;
  return [`\tInterrupt: pin ${pin} routed to IRQ ${line}`];
}

function selfTestLine({ selfTest }: PciHeader): string[] {
  if (!selfTest.capable) return [];
  return [selfTest.running ? "\tBIST is running" : `\tBIST result: ${hex(selfTest.code, 2)}`];
}

function barLine(bar: BaseAddress, command: BitFlags<CommandFlag>, regionBytes: readonly number[]): string {
  const size = sizeText(regionBytes[bar.index]);
  if (bar.kind === "io") {
    const place = bar.address === 0n && !command.ioSpace ? "<unassigned>" : hex(bar.address, 4);
    return `\tRegion ${bar.index}: I/O ports at ${place}${disabledText(command.ioSpace)}${size}`;
  }
  const reads = bar.prefetchable ? "prefetchable" : "non-prefetchable";
  const words = { mem32: "32-bit", mem64: "64-bit", invalid: "64-bit", mem1M: "low-1M", reserved: "type 3" };
  return (
    `\tRegion ${bar.index}: Memory at ${memoryPlace(bar)} (${words[bar.kind]}, ${reads})` +
    `${disabledText(command.memorySpace)}${size}`
  );
}

function memoryPlace({ kind, address }: BaseAddress): string {
  return kind === "invalid" || address === 0n ? "<unassigned>" : hex(address, 8);
}

function disabledText(enabled: boolean): string {
  return enabled ? "" : " [disabled]";
}

function romLine(
  rom: RomBase | undefined,
  command: BitFlags<CommandFlag>,
  regionBytes: readonly number[],
): string[] {
  if (rom === undefined) return [];
  const place = rom.address === 0n ? "<unassigned>" : hex(rom.address, 8);
  const byCommand = command.memorySpace ? "" : " [disabled by cmd]";
  const state = rom.enabled ? byCommand : " [disabled]";
  return [`\tExpansion ROM at ${place}${state}${sizeText(regionBytes[ROM_INDEX])}`];
}

function bridgeLines(header: BridgeHeader, regionBytes: readonly number[]): string[] {
  const { windows, secondaryStatus, secondaryDeviceSelect, control, rom, command } = header;
  const status = flagText(SECONDARY_STATUS, secondaryStatus).split(" ");
  const controls = Object.keys(BRIDGE_CONTROL) as BridgeControlFlag[];
  return [
    busLine(header),
    windowLine("I/O", windows.io),
    windowLine("Memory", windows.memory),
    windowLine("Prefetchable memory", windows.prefetchable),
    `\tSecondary status: ${status.slice(0, 3).join(" ")} ${selectText(secondaryDeviceSelect)} ${status.slice(3).join(" ")}`,
    ...romLine(rom, command, regionBytes),
    `\tBridgeCtl: ${flagText(BRIDGE_CONTROL, control, controls.slice(0, 8))}`,
    `\t\t${flagText(BRIDGE_CONTROL, control, controls.slice(8))}`,
  ];
}

function busLine({ buses }: Pick<BridgeHeader, "buses">): string {
  const { primary, secondary, subordinate, latencyTimer } = buses;
  const numbers = `primary=${hex(primary, 2)}, secondary=${hex(secondary, 2)}, subordinate=${hex(subordinate, 2)}`;
  return `\tBus: ${numbers}, sec-latency=${latencyTimer}`;
}

function windowLine(what: string, window: BridgeWindow | undefined): string {
  if (window === undefined) return `\t!!! ${what} behind bridge: reserved type`;
  const { base, limit, addressBits } = window;
  const digits = addressBits / 4;
  const range =
    base > limit ? "[disabled]" : `${hex(base, digits)}-${hex(limit, digits)}${sizeText(limit - base + 1n)}`;
  return `\t${what} behind bridge: ${range} [${addressBits}-bit]`;
}

/** In the largest unit that needs no fraction. */
function sizeText(bytes: number | bigint = 0): string {
  if (BigInt(bytes) === 0n) return "";
  let [size, unit] = [BigInt(bytes), 0];
  while (size % 1024n === 0n && unit < UNITS.length - 1) [size, unit] = [size / 1024n, unit + 1];
  return ` [size=${size}${UNITS[unit]}]`;
}

import { VfioError } from "@vfio/ioctl-native";
import { decodeFlags, flagText, type BitFlags, type FlagTable } from "./config/bits.js";
import {
  COMMAND,
  maskOf,
  STATUS,
  withFlags,
  type ClearableStatusFlag,
  type CommandFlag,
  type StatusFlag,
} from "./config/command-status.js";
import type { ConfigSpace } from "./config-space.js";

const COMMAND_OFFSET = 0x04;
const STATUS_OFFSET = 0x06;

/** The command register, by name. */
export function readCommand(config: ConfigSpace): BitFlags<CommandFlag> {
  return decodeFlags(COMMAND, config.read16(COMMAND_OFFSET));
}

/**
 * Switches bits of the command register, leaves the others as they are, and reads it back.
 * @throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep one.
 */
export function writeCommand(config: ConfigSpace, wanted: Partial<BitFlags<CommandFlag>>, device: string): void {
  config.write16(COMMAND_OFFSET, withFlags(COMMAND, config.read16(COMMAND_OFFSET), wanted));
  const now = readCommand(config);
  const lost = namesOf(wanted).filter((name) => wanted[name] !== undefined && now[name] !== wanted[name]);
  if (lost.length === 0) return;
  throw new VfioError(
    "ERR_VFIO_COMMAND_REGISTER",
    `${device} did not keep ${wordsOf(COMMAND, wanted, lost)} of its command register`,
    { hint: "It may be powered down, gone, or a virtual function whose physical function decides" },
  );
}

/** The status register, by name. */
export function readStatus(config: ConfigSpace): BitFlags<StatusFlag> {
  return decodeFlags(STATUS, config.read16(STATUS_OFFSET));
}

/**
 * Clears bits of the status register by writing 1 to them alone, and reads it back.
 * @throws VfioError `ERR_VFIO_STATUS_REGISTER` if one is still set.
 */
export function clearStatus(config: ConfigSpace, names: readonly ClearableStatusFlag[], device: string): void {
  config.write16(STATUS_OFFSET, maskOf(STATUS, names));
  const now = readStatus(config);
  const left = names.filter((name) => now[name]);
  if (left.length === 0) return;
  throw new VfioError(
    "ERR_VFIO_STATUS_REGISTER",
    `${device} did not clear ${left.map((name) => STATUS[name][1]).join(", ")} of its status register`,
    { hint: "vfio-pci lets nobody write this register; a reset of the device clears it" },
  );
}

function namesOf<Name extends string>(flags: Partial<BitFlags<Name>>): Name[] {
  return Object.keys(flags) as Name[];
}

function wordsOf<Name extends string>(
  table: FlagTable<Name>,
  wanted: Partial<BitFlags<Name>>,
  names: readonly Name[],
): string {
  return flagText(table, wanted as BitFlags<Name>, [...names]);
}

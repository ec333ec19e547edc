import { VfioError } from "@vfio/ioctl-native";
import { argumentError } from "@vfio/ioctl-native/internal";
import { COMMAND, type CommandFlag } from "../config/command-status.js";
import type { ConfigAccess } from "./config-access.js";
import { checkPresent } from "../device/presence.js";

export const COMMAND_OFFSET = 0x04;

/** True if an aligned write at this offset changes the command register or its upper byte. */
export function touchesCommand(offset: number): boolean {
  return offset === COMMAND_OFFSET || offset === COMMAND_OFFSET + 1;
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for an unknown flag. */
export function commandMask(flag: CommandFlag): number {
  if (!Object.hasOwn(COMMAND, flag))
    throw argumentError("the command bit", `one of ${Object.keys(COMMAND).join(", ")}`, flag);
  return 1 << COMMAND[flag][0];
}

export function isCommandSet(config: ConfigAccess, flag: CommandFlag): boolean {
  return (config.read16(COMMAND_OFFSET) & commandMask(flag)) !== 0;
}

/**
 * Sets or clears a bit of the command register and reads it back.
 * @throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it; `ERR_VFIO_DEVICE_GONE`: every bit of a
 * device that does not answer reads as set; VfioRangeError `ERR_VFIO_ARGUMENT`.
 */
export function setCommand(config: ConfigAccess, flag: CommandFlag, on: boolean, device: string): void {
  const mask = commandMask(flag);
  if (typeof on !== "boolean") throw argumentError(flag, "true or false", on);
  checkPresent(config, device);
  const command = config.read16(COMMAND_OFFSET);
  config.write16(COMMAND_OFFSET, on ? command | mask : command & ~mask);
  const kept = isCommandSet(config, flag) === on;
  checkPresent(config, device);
  if (kept) return;
  throw new VfioError(
    "ERR_VFIO_COMMAND_REGISTER",
    `${device} did not keep the bit ${flag} (0x${mask.toString(16)}) of its command register ${on ? "set" : "clear"}`,
    { hint: "It may be powered down, or a virtual function whose physical function decides" },
  );
}

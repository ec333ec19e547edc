import { VfioError } from "@vfio/ioctl-native";
import type { ConfigSpace } from "./config-space.js";

/** Where the command register lies in the config space. */
export const COMMAND = 0x04;

/** Bits of the command register (PCI 3.0, section 6.2.2). */
export const CommandBit = { ioSpace: 1 << 0, memorySpace: 1 << 1, busMaster: 1 << 2 } as const;

/** True if a bit of the command register is set. */
export function commandBit(config: ConfigSpace, bit: number): boolean {
  return (config.read16(COMMAND) & bit) !== 0;
}

/**
 * Sets or clears a bit of the command register and reads it back.
 * @throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it.
 */
export function setCommandBit(config: ConfigSpace, bit: number, on: boolean, device: string): void {
  const command = config.read16(COMMAND);
  config.write16(COMMAND, on ? command | bit : command & ~bit);
  if (commandBit(config, bit) === on) return;
  throw new VfioError(
    "ERR_VFIO_COMMAND_REGISTER",
    `${device} did not keep bit 0x${bit.toString(16)} of its command register ${on ? "set" : "clear"}`,
    { hint: "It may be powered down, gone, or a virtual function whose physical function decides" },
  );
}

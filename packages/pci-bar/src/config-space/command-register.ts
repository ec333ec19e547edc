import { printAs } from "@vfio/ioctl-native/internal";
import { COMMAND_OFFSET, isCommandSet, setCommand } from "./command.js";
import { decodeFlags, type BitFlags } from "../config/bits.js";
import { COMMAND, type CommandFlag } from "../config/command-status.js";
import type { ConfigAccess } from "./config-access.js";

/** The command bits that can be switched here; `pci.memorySpace` is separate, as it also cares for mapped BARs. */
export type SwitchableCommandFlag = Exclude<CommandFlag, "memorySpace">;

/** A device's command register (PCI Local Bus 3.0, section 6.2.2): what the device may do. */
export class CommandRegister {
  static {
    printAs(CommandRegister, (it) => ({ device: it.#device }));
  }

  readonly #config: ConfigAccess;
  readonly #device: string;

  /** Programs use `pci.config.command`. */
  constructor(config: ConfigAccess, device: string) {
    this.#config = config;
    this.#device = device;
  }

  /** All bits, read at once. Throws as `pci.config.read16`. */
  read(): BitFlags<CommandFlag> {
    return decodeFlags(COMMAND, this.#config.read16(COMMAND_OFFSET));
  }

  /** Reads one bit. Throws as `pci.config.read16`. */
  isSet(flag: CommandFlag): boolean {
    return isCommandSet(this.#config, flag);
  }

  /**
   * Switches one bit and reads it back.
   * @throws VfioError `ERR_VFIO_COMMAND_REGISTER` if the device did not keep it, as devices may for features they lack;
   * `ERR_VFIO_DEVICE_GONE`.
   */
  set(flag: SwitchableCommandFlag, on: boolean): void {
    setCommand(this.#config, flag, on, this.#device);
  }
}

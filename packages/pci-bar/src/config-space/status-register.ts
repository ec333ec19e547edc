import { VfioError } from "@vfio/ioctl-native";
import { argumentError, printAs } from "@vfio/ioctl-native/internal";
import { decodeFlags, type BitFlags } from "../config/bits.js";
import { STATUS, type ClearableStatusFlag, type StatusFlag } from "../config/command-status.js";
import type { ConfigAccess } from "./config-access.js";

const OFFSET = 0x06;

/** A device's status register (PCI Local Bus 3.0, section 6.2.3). */
export class StatusRegister {
  static {
    printAs(StatusRegister, (it) => ({ device: it.#device }));
  }

  readonly #config: ConfigAccess;
  readonly #device: string;

  /** Programs use `pci.config.status`. */
  constructor(config: ConfigAccess, device: string) {
    this.#config = config;
    this.#device = device;
  }

  /** All bits, read at once. Throws as `pci.config.read16`. */
  read(): BitFlags<StatusFlag> {
    return decodeFlags(STATUS, this.#config.read16(OFFSET));
  }

  /**
   * Clears error bits, which else stay set, by writing 1 to them, and reads them back.
   * @throws VfioError `ERR_VFIO_STATUS_REGISTER` if one is still set: vfio-pci forbids writing this register;
   * VfioRangeError `ERR_VFIO_ARGUMENT`.
   */
  clear(...flags: readonly ClearableStatusFlag[]): void {
    for (const flag of flags) checkFlag(flag);
    this.#config.write16(
      OFFSET,
      flags.reduce((mask, flag) => mask | (1 << STATUS[flag][0]), 0),
    );
    const now = this.read();
    const left = flags.filter((flag) => now[flag]);
    if (left.length > 0) throw notClearedError(this.#device, left);
  }
}

function checkFlag(flag: unknown): void {
  if (typeof flag === "string" && Object.hasOwn(STATUS, flag)) return;
  throw argumentError("the status bit", `one of ${Object.keys(STATUS).join(", ")}`, flag);
}

function notClearedError(device: string, flags: readonly ClearableStatusFlag[]): VfioError {
  return new VfioError(
    "ERR_VFIO_STATUS_REGISTER",
    `${device} did not clear ${flags.join(", ")} in its status register`,
    { hint: "vfio-pci drops writes to this register; a reset of the device clears it" },
  );
}

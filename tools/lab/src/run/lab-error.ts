export type LabErrorCode =
  | "ERR_LAB_NOT_LINUX"
  | "ERR_LAB_PACKAGES_MISSING"
  | "ERR_LAB_PACKAGES_INSTALL"
  | "ERR_LAB_DISK_FULL"
  | "ERR_LAB_KERNEL_DOWNLOAD"
  | "ERR_LAB_KERNEL_UNPACK"
  | "ERR_LAB_QEMU_FAILED"
  | "ERR_LAB_BOOT_TIMEOUT"
  | "ERR_LAB_GUEST_SETUP"
  | "ERR_LAB_GUEST_PANIC"
  | "ERR_LAB_GUEST_STOPPED"
  | "ERR_LAB_TIMEOUT"
  | "ERR_LAB_ABORTED"
  | "ERR_LAB_SYSTEM"
  | "ERR_LAB_BAD_ARGUMENT";

export interface LabErrorParts {
  /** The remedy, where it follows from the failure. */
  readonly hint?: string;
  /** The last lines of the guest's console, if there was a guest. */
  readonly consoleTail?: string;
  readonly cause?: unknown;
}

/** A failure of the lab itself. A command's exit code other than 0 is none. */
export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: LabErrorCode;
  /** The remedy; empty where none follows from the failure. */
  readonly hint: string;
  /** Empty without a guest. */
  readonly consoleTail: string;

  /** @param what - The failure, naming the thing. */
  constructor(code: LabErrorCode, what: string, { hint = "", consoleTail = "", cause }: LabErrorParts = {}) {
    const tail = consoleTail ? `\nLast lines of the guest's console:\n${consoleTail}` : "";
    const message = `${[what, hint].filter(Boolean).join("\n")}${tail}`;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.consoleTail = consoleTail;
  }
}

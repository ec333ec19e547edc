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

/** What a {@link LabError} may have beside its code and its message. */
export interface LabErrorParts {
  /** What to do about it, where that follows from what went wrong. */
  readonly hint?: string;
  /** The last lines of the guest's console, when there was a guest. */
  readonly consoleTail?: string;
  readonly cause?: unknown;
}

/** Every failure of the lab itself. A command that ends with a non-zero exit code is not one. */
export class LabError extends Error {
  override readonly name = "LabError";
  /** Stable, for programs. */
  readonly code: LabErrorCode;
  /** The remedy, for people; empty where none follows from what went wrong. */
  readonly hint: string;
  /** Empty when no guest was started. */
  readonly consoleTail: string;

  /** @param what - What went wrong, naming the thing. */
  constructor(code: LabErrorCode, what: string, { hint = "", consoleTail = "", cause }: LabErrorParts = {}) {
    const tail = consoleTail ? `\nLast lines of the guest's console:\n${consoleTail}` : "";
    const message = `${[what, hint].filter(Boolean).join("\n")}${tail}`;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.consoleTail = consoleTail;
  }
}

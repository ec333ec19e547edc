import type { LabExtra } from "../host/packages.js";

export interface MachineOptions {
  /** In QEMU's notation (`"4G"`). Default: 2560 MiB beyond the hugepages, so 3072 MiB. */
  readonly memory?: string;
  /** The width of the IOMMU's address space. Default 39. */
  readonly iommuAddressBits?: 39 | 48;
  /** Reserved at boot. Default 256. */
  readonly hugepages2M?: number;
  /** Reserved at boot. Default 0. */
  readonly hugepages1G?: number;
  /** Two nodes have half of the memory, the processors and the 2 MiB hugepages each. Default 1. */
  readonly numaNodes?: 1 | 2;
  /** More `-device` arguments. Not at the addresses in {@link LAB_DEVICES}, nor 00:04.0 to 00:06.0, nor 00:1e.0. */
  readonly extraDevices?: readonly string[];
  readonly extraKernelArguments?: readonly string[];
  /**
   * A file on the host, where QEMU writes a line for every access to a device's registers, in order: address, value,
   * size and the registers' name. It grows fast.
   */
  readonly accessLog?: string;
  /** `"auto"` (default) uses KVM where a probe has shown that it runs the machine, emulation otherwise. */
  readonly accelerator?: "auto" | Accelerator;
}

export type Accelerator = "kvm" | "tcg";

export interface CommonOptions {
  /** Debian's packages that the command needs beside Node.js. Default: none. */
  readonly extras?: readonly LabExtra[];
  /** Ends all that was started; the promise rejects with `ERR_LAB_ABORTED`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: LabProgress) => void;
}

export interface LabOptions extends CommonOptions {
  readonly machine?: MachineOptions;
  /** The same path in host and guest. Default: the caller's. */
  readonly cwd?: string;
  /**
   * Folders below /tmp, /run or /dev/shm that the command needs: the guest has its own of these. The working directory,
   * the command's program and the running Node.js are always shown, and all other folders are the same in host and
   * guest. Symbolic links are resolved: the guest sees only their targets.
   */
  readonly shows?: readonly string[];
  /** Environment variables beside PATH, HOME, USER, LANG, TERM and the like, which are the host's. */
  readonly env?: Readonly<Record<string, string>>;
  /** From the command's start. Default 10 minutes. */
  readonly timeoutMs?: number;
  /** Default 2 minutes. */
  readonly bootTimeoutMs?: number;
  readonly onStdout?: (chunk: Buffer) => void;
  readonly onStderr?: (chunk: Buffer) => void;
  readonly onConsole?: (chunk: Buffer) => void;
  /** A folder on the host the guest can write to; LAB_OUTPUT has its path in the guest. */
  readonly outputDirectory?: string;
}

export interface LabResult {
  /** 128 + n after signal n. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start of QEMU to the start of the command. */
  readonly bootMs: number;
  readonly runMs: number;
  /** `uname -r` of the guest. */
  readonly kernel: string;
  readonly accelerator: Accelerator;
  /** The last MiB of the guest kernel's output. */
  readonly console: string;
}

export interface LabProgress {
  readonly stage: "packages" | "kernel" | "initrd" | "accelerator" | "boot" | "run";
  readonly message: string;
}

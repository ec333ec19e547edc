import type { LabExtra } from "../host/packages.js";

export interface MachineOptions {
  /** Guest memory in QEMU's notation (`"4G"`). Default: 2560 MiB beyond the hugepages, so 3072 MiB. */
  readonly memory?: string;
  /** Width of the IOMMU's address space in bits. Default 39. */
  readonly iommuAddressBits?: 39 | 48;
  /** 2 MiB hugepages reserved at boot. Default 256. */
  readonly hugepages2M?: number;
  /** 1 GiB hugepages reserved at boot. Default 0. */
  readonly hugepages1G?: number;
  /** NUMA nodes, with half of the memory, the processors and the 2 MiB hugepages each if there are two. Default 1. */
  readonly numaNodes?: 1 | 2;
  /** More `-device` arguments. They must not take the addresses in {@link LAB_DEVICES}, nor 00:04.0 to 00:06.0, nor 00:1e.0. */
  readonly extraDevices?: readonly string[];
  readonly extraKernelArguments?: readonly string[];
  /**
   * A file on the host into which QEMU writes a line for every access to a device's registers, in order: address,
   * value, size and the registers' name. It grows fast.
   */
  readonly accessLog?: string;
  /** `"auto"` (default) uses KVM where a probe has shown that it runs the machine, emulation otherwise. */
  readonly accelerator?: "auto" | Accelerator;
}

/** How QEMU runs the guest's instructions: on the processor, or by emulation. */
export type Accelerator = "kvm" | "tcg";

/** What every command of the lab can be asked. */
export interface CommonOptions {
  /** What the command needs beside Node.js, as Debian's packages on this machine. Default: nothing. */
  readonly extras?: readonly LabExtra[];
  /** Aborting it ends all that was started; the promise rejects with `ERR_LAB_ABORTED`. */
  readonly signal?: AbortSignal;
  /** Told what the lab is doing; not called when there is nothing to do. */
  readonly onProgress?: (event: LabProgress) => void;
}

export interface LabOptions extends CommonOptions {
  readonly machine?: MachineOptions;
  /** Working directory, the same path in host and guest. Default: the caller's. */
  readonly cwd?: string;
  /**
   * Folders below /tmp, /run or /dev/shm that the command needs: the guest has its own of these. The working directory,
   * the command's program and the running Node.js are shown in any case. All other folders are the same in host and
   * guest. Symbolic links are resolved: the guest sees what they lead to, not them.
   */
  readonly shows?: readonly string[];
  /** Environment variables beside PATH, HOME, USER, LANG, TERM and the like, which are the host's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Longest time the command may take, in milliseconds, counted from its start. Default 10 minutes. */
  readonly timeoutMs?: number;
  /** Longest time the guest may take to boot, in milliseconds. Default 2 minutes. */
  readonly bootTimeoutMs?: number;
  readonly onStdout?: (chunk: Buffer) => void;
  readonly onStderr?: (chunk: Buffer) => void;
  readonly onConsole?: (chunk: Buffer) => void;
  /** A folder on the host the guest can write to; the guest finds its path in the environment variable LAB_OUTPUT. */
  readonly outputDirectory?: string;
}

export interface LabResult {
  /** Its exit code; 128 + n when signal n ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** From the start of QEMU to the start of the command, in milliseconds. */
  readonly bootMs: number;
  /** From the command's start to its end, in milliseconds. */
  readonly runMs: number;
  /** Release of the guest's kernel, as `uname -r` prints it. */
  readonly kernel: string;
  readonly accelerator: Accelerator;
  /** What the guest's kernel printed; the last MiB of it. */
  readonly console: string;
}

export interface LabProgress {
  readonly stage: "packages" | "kernel" | "initrd" | "accelerator" | "boot" | "run";
  /** One line for people. */
  readonly message: string;
}

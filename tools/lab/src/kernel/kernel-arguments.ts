import type { MachineOptions } from "../run/lab-options.js";

export const DEFAULT_HUGEPAGES_2M = 256;

/**
 * Emulated instructions are slow: everything here but the IOMMU and hugepages saves boot time. `init_on_alloc=0`,
 * against Debian's default, saves zeroing every reserved hugepage.
 */
const FAST_BOOT = [
  "quiet",
  "mitigations=off",
  "init_on_alloc=0",
  "hardened_usercopy=off",
  "audit=0",
  "lsm=",
  "nokaslr",
  // The emulator reuses translated code only at the same address: this saves a quarter of the time of every later
  // program.
  "norandmaps",
  "tsc=reliable",
  "no_timer_check",
  "cryptomgr.notests",
  "numa_balancing=disable",
  "raid=noautodetect",
  "random.trust_cpu=on",
  "rcupdate.rcu_expedited=1",
  // The ACPI driver has the bridge's slots already; this one would only report errors.
  "initcall_blacklist=shpcd_init",
];

/** `panic=-1` restarts at once after a panic, and with -no-reboot QEMU then ends. */
export function kernelArguments(machine: MachineOptions): string {
  return [
    "console=ttyS0",
    "panic=-1",
    "intel_iommu=on",
    ...hugepageArguments(machine),
    ...FAST_BOOT,
    ...(machine.extraKernelArguments ?? []),
  ].join(" ");
}

/** The order matters: each `hugepages=` counts pages of the size before it. */
function hugepageArguments({
  hugepages2M = DEFAULT_HUGEPAGES_2M,
  hugepages1G = 0,
}: MachineOptions): string[] {
  const gigabyte = hugepages1G > 0 ? ["hugepagesz=1G", `hugepages=${hugepages1G}`] : [];
  return ["default_hugepagesz=2M", ...gigabyte, "hugepagesz=2M", `hugepages=${hugepages2M}`];
}

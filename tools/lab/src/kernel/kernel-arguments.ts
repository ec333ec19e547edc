import type { MachineOptions } from "../run/lab-options.js";

export const DEFAULT_HUGEPAGES_2M = 256;

/**
 * Emulated instructions are dear: everything here that is not about the IOMMU or hugepages saves boot time. `init_on_alloc=0` alone, a
 * Debian default the other way, saves the time to zero every reserved hugepage.
 */
const FAST_BOOT = [
  "quiet",
  "mitigations=off",
  "init_on_alloc=0",
  "hardened_usercopy=off",
  "audit=0",
  "lsm=",
  "nokaslr",
  // The emulator reuses translated code only at the same address: a quarter less time for every program after the first.
  "norandmaps",
  "tsc=reliable",
  "no_timer_check",
  "cryptomgr.notests",
  "numa_balancing=disable",
  "raid=noautodetect",
  "random.trust_cpu=on",
  "rcupdate.rcu_expedited=1",
  // The ACPI driver has the bridge's slots already; this one would only complain.
  "initcall_blacklist=shpcd_init",
];

/** The kernel's command line. `panic=-1` restarts at once on a panic, which QEMU's -no-reboot turns into its end. */
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

/** The order matters: each `hugepages=` counts pages of the size named just before it. */
function hugepageArguments({
  hugepages2M = DEFAULT_HUGEPAGES_2M,
  hugepages1G = 0,
}: MachineOptions): string[] {
  const gigabyte = hugepages1G > 0 ? ["hugepagesz=1G", `hugepages=${hugepages1G}`] : [];
  return ["default_hugepagesz=2M", ...gigabyte, "hugepagesz=2M", `hugepages=${hugepages2M}`];
}

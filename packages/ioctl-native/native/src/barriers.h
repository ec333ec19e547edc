// The order of accesses to a device's registers among accesses to ordinary memory, as writel() and readl() of Linux have
// it: a descriptor is there before the doorbell that tells of it, and memory that a device wrote before it raised a
// status is read after that status. x86 keeps this order by itself; arm64 does not.
#pragma once

inline void BeforeStore() {
#if defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#endif
}

inline void AfterLoad() {
#if defined(__aarch64__)
  asm volatile("dmb oshld" ::: "memory");
#endif
}

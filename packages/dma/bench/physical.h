// Physical addresses from /proc/self/pagemap: one for each 2 MiB page of hugepage memory.
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#define PAGE (2ull << 20)

static inline int read_physical(const char* at, uint64_t bytes, uint64_t* physical) {
  int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  for (uint64_t i = 0; i < bytes / PAGE; i++) {
    uint64_t entry = 0;
    off_t offset = ((uintptr_t)at + i * PAGE) / 4096 * sizeof entry;
    if (pread(pagemap, &entry, sizeof entry, offset) != sizeof entry || !(entry >> 63)) return -1;
    physical[i] = (entry & ((1ull << 55) - 1)) * 4096;
  }
  return close(pagemap);
}

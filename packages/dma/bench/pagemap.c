// Reads the physical address of every 2 MiB page of hugepage memory from pagemap. Prints nanoseconds for one round.
//   pagemap <bytes> <rounds>
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  uint64_t bytes = strtoull(argv[1], NULL, 0), page = 2 << 20;
  int rounds = atoi(argv[2]);
  int memory = memfd_create("bench", MFD_CLOEXEC | MFD_HUGETLB | (21u << 26));
  if (memory < 0 || ftruncate(memory, bytes)) return perror("memfd"), 1;
  char* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
  if (at == MAP_FAILED) return perror("mmap"), 1;
  uint64_t* physical = calloc(bytes / page, sizeof *physical);

  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int round = 0; round < rounds; round++) {
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (uint64_t i = 0; i < bytes / page; i++) {
      uint64_t entry = 0;
      off_t offset = ((uintptr_t)at + i * page) / 4096 * sizeof entry;
      if (pread(pagemap, &entry, sizeof entry, offset) != sizeof entry || !(entry >> 63)) return 1;
      physical[i] = (entry & ((1ull << 55) - 1)) * 4096;
    }
    close(pagemap);
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%f\n", ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / rounds);
  return physical[0] == 0;
}

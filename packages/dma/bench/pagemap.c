// Reads the physical address of every 2 MiB page of hugepage memory from pagemap. For each line of its standard input it
// prints the median of some rounds, in nanoseconds. The memory is the file that it inherits as fd 3.
//   pagemap <bytes> <rounds>
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static int ascending(const void* one, const void* other) {
  double difference = *(const double*)one - *(const double*)other;
  return (difference > 0) - (difference < 0);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  uint64_t bytes = strtoull(argv[1], NULL, 0), page = 2 << 20;
  int rounds = atoi(argv[2]);
  char* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 3, 0);
  if (at == MAP_FAILED) return perror("mmap"), 1;
  uint64_t* physical = calloc(bytes / page, sizeof *physical);

  double* times = calloc(rounds, sizeof *times);
  while (getchar() != EOF) {
    for (int round = 0; round < rounds; round++) {
      double started = now();
      int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
      for (uint64_t i = 0; i < bytes / page; i++) {
        uint64_t entry = 0;
        off_t offset = ((uintptr_t)at + i * page) / 4096 * sizeof entry;
        if (pread(pagemap, &entry, sizeof entry, offset) != sizeof entry || !(entry >> 63)) return 1;
        physical[i] = (entry & ((1ull << 55) - 1)) * 4096;
      }
      close(pagemap);
      times[round] = now() - started;
    }
    qsort(times, rounds, sizeof *times, ascending);
    printf("%f\n", times[rounds / 2]);
    fflush(stdout);
  }
  return physical[0] == 0;
}

// Reads the physical address of every 2 MiB page of hugepage memory from pagemap. For each line of its standard input it
// prints the median of some rounds, in nanoseconds. The memory is the file that it inherits as fd 3.
//   pagemap <bytes> <rounds>
#define _GNU_SOURCE
#include <sys/mman.h>
#include "clock.h"
#include "physical.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  uint64_t bytes = strtoull(argv[1], NULL, 0);
  int rounds = atoi(argv[2]);
  char* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 3, 0);
  if (at == MAP_FAILED) return perror("mmap"), 1;
  uint64_t* physical = calloc(bytes / PAGE, sizeof *physical);

  double* times = calloc(rounds, sizeof *times);
  while (getchar() != EOF) {
    for (int round = 0; round < rounds; round++) {
      double started = now();
      if (read_physical(at, bytes, physical)) return perror("pagemap"), 1;
      times[round] = now() - started;
    }
    print_median(times, rounds);
  }
  return physical[0] == 0;
}

#define _GNU_SOURCE
// Reads 4 KiB of mapped memory as 32-bit registers, many times, with one volatile load for each. Prints nanoseconds
// for one block.
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"

enum { BLOCK_BYTES = 4096, REGISTERS = BLOCK_BYTES / 4 };

int main(int argc, char** argv) {
  long count = argc > 1 ? atol(argv[1]) : 100000;
  int file = memfd_create("registers", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, BLOCK_BYTES) < 0) return perror("memfd"), 1;
  volatile uint32_t* registers = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (registers == MAP_FAILED) return perror("mmap"), 1;
  static uint32_t block[REGISTERS];
  double started = now();
  for (long i = 0; i < count; i++) {
    for (int at = 0; at < REGISTERS; at++) block[at] = registers[at];
    __asm__ volatile("" : : "r"(block) : "memory");
  }
  printf("%f\n", (now() - started) / count);
  return 0;
}

#define _GNU_SOURCE
// Goes round a ring of 256 descriptors of 16 bytes as a driver does, by volatile accesses: is the next one done, and how
// long is its frame; then an address in halves, and the status. Prints nanoseconds for one descriptor.
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"

enum { SLOTS = 256, DONE = 1 };

struct descriptor {
  uint32_t low, high, length, status;
};

static uint32_t turn(volatile struct descriptor* ring, long rounds) {
  uint32_t sum = 0;
  for (long round = 0; round < rounds; round++) {
    for (volatile struct descriptor* at = ring; at < ring + SLOTS; at++) {
      if ((at->status & DONE) == 0) break;
      sum += at->length;
      at->low = (uint32_t)(uintptr_t)at;
      at->high = 1;
      at->status = DONE;
    }
  }
  return sum;
}

int main(int argc, char** argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 40000;
  size_t bytes = SLOTS * sizeof(struct descriptor);
  int file = memfd_create("ring", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, (off_t)bytes) < 0) return perror("memfd"), 1;
  void* memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (memory == MAP_FAILED) return perror("mmap"), 1;
  volatile struct descriptor* ring = memory;
  for (int slot = 0; slot < SLOTS; slot++) ring[slot].length = 1, ring[slot].status = DONE;
  if (turn(ring, rounds) != rounds * SLOTS) return 1;
  double started = now();
  if (turn(ring, rounds) != rounds * SLOTS) return 1;
  printf("%f\n", (now() - started) / (rounds * SLOTS));
  return 0;
}

// What the benchmarks' C programs share: the time in nanoseconds, and medians.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static inline int ascending(const void* one, const void* other) {
  double difference = *(const double*)one - *(const double*)other;
  return (difference > 0) - (difference < 0);
}

// Sorts the times. Whoever asked, with a line on standard input, waits for the answer: it goes out at once.
static inline void print_median(double* times, int count) {
  qsort(times, count, sizeof *times, ascending);
  printf("%f\n", times[count / 2]);
  fflush(stdout);
}

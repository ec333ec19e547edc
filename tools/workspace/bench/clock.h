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

// What reading the clock adds to a time.
static inline double clock_nanoseconds(void) {
  double times[51];
  for (int look = 0; look < 51; look++) {
    double started = now();
    times[look] = now() - started;
  }
  qsort(times, 51, sizeof *times, ascending);
  return times[25];
}

// Sorts the times, and takes the clock's own off. Whoever asked, with a line on standard input, waits for the answer: it goes out at once.
static inline void print_median(double* times, int count) {
  qsort(times, count, sizeof *times, ascending);
  printf("%f\n", times[count / 2] - clock_nanoseconds());
  fflush(stdout);
}

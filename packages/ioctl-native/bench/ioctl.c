// VFIO_GET_API_VERSION on a new container, many times: what a bare ioctl costs. Prints nanoseconds for one.
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>

int main(int argc, char** argv) {
  long count = argc > 1 ? atol(argv[1]) : 100000;
  int container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
  if (container < 0) return perror("/dev/vfio/vfio"), 1;
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (long i = 0; i < count; i++) {
    if (ioctl(container, VFIO_GET_API_VERSION) != VFIO_API_VERSION) return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%f\n", ((end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec)) / count);
  return 0;
}

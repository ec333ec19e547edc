// Maps and unmaps hugepage memory for DMA in a VFIO container, in pieces. For each line of its standard
// input it prints the median of some rounds, in nanoseconds.
// The memory is the file that it inherits as fd 3: what a map costs depends on where the pages lie.
//   map <bytes> <piece bytes> <rounds> <group node>
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static int die(const char* what) {
  perror(what);
  return 1;
}

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
  if (argc != 5) return 2;
  uint64_t bytes = strtoull(argv[1], NULL, 0), piece = strtoull(argv[2], NULL, 0);
  int rounds = atoi(argv[3]);
  int group = open(argv[4], O_RDWR | O_CLOEXEC), container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
  if (group < 0 || container < 0) return die("open");
  if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) || ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
    return die("container");
  char* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 3, 0);
  if (at == MAP_FAILED) return die("mmap");

  double* times = calloc(rounds, sizeof *times);
  while (getchar() != EOF) {
    for (int round = 0; round < rounds; round++) {
      double started = now();
      for (uint64_t offset = 0; offset < bytes; offset += piece) {
        struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map,
                                               .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                               .vaddr = (uintptr_t)at + offset,
                                               .iova = offset,
                                               .size = piece};
        if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map)) return die("map");
      }
      for (uint64_t offset = 0; offset < bytes; offset += piece) {
        struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = offset, .size = piece};
        if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) || unmap.size != piece) return die("unmap");
      }
      times[round] = now() - started;
    }
    qsort(times, rounds, sizeof *times, ascending);
    printf("%f\n", times[rounds / 2]);
    fflush(stdout);
  }
  return 0;
}

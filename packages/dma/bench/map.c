// Maps and unmaps hugepage memory for DMA in a VFIO container: in pieces of one size from IOVA 0 on, or each contiguous
// run at its physical address. For each line of its standard input it prints the median of some rounds, in nanoseconds.
// The memory is the file that it inherits as fd 3: what a map costs depends on where the pages lie.
//   map <bytes> <piece bytes>|physical <rounds> <group node>
#define _GNU_SOURCE
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "clock.h"
#include "physical.h"

static int container;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void map_dma(const char* at, uint64_t iova, uint64_t size) {
  struct vfio_iommu_type1_dma_map map = {.argsz = sizeof map,
                                         .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                         .vaddr = (uintptr_t)at,
                                         .iova = iova,
                                         .size = size};
  if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map)) die("map");
}

static void unmap_dma(uint64_t iova, uint64_t size) {
  struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = iova, .size = size};
  if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) || unmap.size != size) die("unmap");
}

// However many pieces there are, they go with one ioctl: the kernel unmaps every mapping that lies in the range.
static void in_pieces(const char* at, uint64_t bytes, uint64_t piece) {
  for (uint64_t offset = 0; offset < bytes; offset += piece) map_dma(at + offset, offset, piece);
  unmap_dma(0, bytes);
}

struct run {
  uint64_t iova, size;
};

// Pages may have gone elsewhere since the last time, for all that a mapper knows: so the addresses are read anew.
static void at_physical_addresses(const char* at, uint64_t bytes, uint64_t* physical, struct run* runs) {
  uint64_t count = 0;
  if (read_physical(at, bytes, physical)) die("pagemap");
  for (uint64_t page = 0; page < bytes / PAGE; page++) {
    if (count > 0 && runs[count - 1].iova + runs[count - 1].size == physical[page]) runs[count - 1].size += PAGE;
    else runs[count++] = (struct run){physical[page], PAGE};
  }
  for (uint64_t i = 0; i < count; at += runs[i++].size) map_dma(at, runs[i].iova, runs[i].size);
  for (uint64_t i = 0; i < count; i++) unmap_dma(runs[i].iova, runs[i].size);
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  uint64_t bytes = strtoull(argv[1], NULL, 0), piece = strtoull(argv[2], NULL, 0);
  int is_physical = strcmp(argv[2], "physical") == 0, rounds = atoi(argv[3]);
  int group = open(argv[4], O_RDWR | O_CLOEXEC);
  container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
  if (group < 0 || container < 0) die("open");
  if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) || ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
    die("container");
  char* at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, 3, 0);
  if (at == MAP_FAILED) die("mmap");
  uint64_t* physical = calloc(bytes / PAGE, sizeof *physical);
  struct run* runs = calloc(bytes / PAGE, sizeof *runs);

  double* times = calloc(rounds, sizeof *times);
  while (getchar() != EOF) {
    for (int round = 0; round < rounds; round++) {
      double started = now();
      if (is_physical) at_physical_addresses(at, bytes, physical, runs);
      else in_pieces(at, bytes, piece);
      times[round] = now() - started;
    }
    print_median(times, rounds);
  }
  return 0;
}

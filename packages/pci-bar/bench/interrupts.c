// Round trips of one MSI of an edu device, 100 microseconds apart: triggered, then waited for. For each line of its
// standard input it prints the median of some, in nanoseconds.
//   interrupts loopback|device poll|spin <rounds> <bdf> <group node>
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "clock.h"

#define PAUSE_NANOSECONDS 100000
#define RAISE 0x60
#define ACKNOWLEDGE 0x64

static int die(const char* what) {
  perror(what);
  return 1;
}

static void pause_busily(void) {
  double end = now() + PAUSE_NANOSECONDS;
  while (now() < end) {
  }
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  int loopback = strcmp(argv[1], "loopback") == 0, spin = strcmp(argv[2], "spin") == 0, rounds = atoi(argv[3]);
  int group = open(argv[5], O_RDWR | O_CLOEXEC), container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
  if (group < 0 || container < 0) return die("open");
  if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) || ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
    return die("container");
  int device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, argv[4]);
  if (device < 0) return die("device");

  struct vfio_region_info bar = {.argsz = sizeof bar, .index = VFIO_PCI_BAR0_REGION_INDEX};
  struct vfio_region_info config = {.argsz = sizeof config, .index = VFIO_PCI_CONFIG_REGION_INDEX};
  if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar) || ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config))
    return die("regions");
  uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
  if (pwrite(device, &command, 2, config.offset + PCI_COMMAND) != 2) return die("bus master");
  volatile uint32_t* registers = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, bar.offset);
  if (registers == MAP_FAILED) return die("mmap");

  int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  struct {
    struct vfio_irq_set set;
    int32_t fd;
  } enable = {{.argsz = sizeof enable,
               .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
               .index = VFIO_PCI_MSI_IRQ_INDEX,
               .count = 1},
              event};
  if (event < 0 || ioctl(device, VFIO_DEVICE_SET_IRQS, &enable)) return die("enable");
  struct vfio_irq_set fire = {.argsz = sizeof fire,
                              .flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
                              .index = VFIO_PCI_MSI_IRQ_INDEX,
                              .count = 1};
  struct pollfd waiting = {.fd = event, .events = POLLIN};

  double* times = calloc(rounds, sizeof *times);
  while (getchar() != EOF) {
    for (int round = 0; round < rounds; round++) {
      uint64_t count;
      pause_busily();
      double started = now();
      if (!loopback) registers[RAISE / 4] = 1;
      else if (ioctl(device, VFIO_DEVICE_SET_IRQS, &fire)) return die("fire");
      if (!spin && poll(&waiting, 1, 5000) != 1) return die("poll");
      while (read(event, &count, sizeof count) != sizeof count) {
      }
      times[round] = now() - started;
      if (!loopback) registers[ACKNOWLEDGE / 4] = 1;
    }
    print_median(times, rounds);
  }
  return 0;
}

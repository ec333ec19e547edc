import { errnoOf, vfioConstants, vfioIoctls, vfioStructs, type Kernel } from "@vfio/ioctl-native";
import type { VfioDevice } from "../src/index.js";

const BAR_BYTES = 0x1000;
const CONFIG_INDEX = vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX;
const REGION_FLAGS = vfioConstants.VFIO_REGION_INFO_FLAG_MMAP | vfioConstants.VFIO_REGION_INFO_FLAG_WRITE;

/** A kernel with one PCI device, which has BAR0, MSI and INTx, and what this process holds of it. */
export class FakeDevice {
  /** The open eventfds, the mappings and the holds on the device. */
  readonly held = { eventfds: new Set<number>(), mappings: new Set<number>(), reasons: new Set<string>() };
  /** What the kernel answers from now on, where it does not agree. */
  readonly refusals: { setIrqs?: number; unmap?: number } = {};
  readonly device: VfioDevice = {
    fd: 3,
    bdf: "0000:00:10.0",
    hold: (reason) => {
      this.held.reasons.add(reason);
      return { [Symbol.dispose]: () => void this.held.reasons.delete(reason) };
    },
  };
  readonly kernel: Kernel;
  #next = 10;

  constructor() {
    const { eventfds, mappings } = this.held;
    const fake: Partial<Kernel> = {
      ioctl: (_fd, request, argument) => this.#ioctl(request, argument as Uint8Array),
      // The command register says that the memory space is on; there is no capability list.
      pread: (_fd, bytes, offset) => bytes.fill(offset % 2 ** 40 === 0x04 ? 0x02 : 0).length,
      eventfd: () => this.#open(eventfds),
      eventfdRead: () => 0,
      watch: () => ({}),
      unwatch: () => undefined,
      close: (fd) => (eventfds.delete(fd) ? 0 : errnoOf("EBADF")),
      map: () => this.#open(mappings),
      mappingLength: () => BAR_BYTES,
      mappingAddress: () => 0x1000n,
      registers: () => ({}) as ReturnType<Kernel["registers"]>,
      bulkRegisters: () => ({}) as ReturnType<Kernel["bulkRegisters"]>,
      unmap: (handle) => (mappings.delete(handle), this.refusals.unmap ?? 0),
    };
    this.kernel = fake as Kernel;
  }

  #open(kind: Set<number>): number {
    kind.add(++this.#next);
    return this.#next;
  }

  #ioctl(request: number, argument: Uint8Array): number {
    if (request === vfioIoctls.VFIO_DEVICE_SET_IRQS.number) return this.refusals.setIrqs ?? 0;
    if (request === vfioIoctls.VFIO_DEVICE_GET_IRQ_INFO.number) return describeInterrupt(argument);
    if (request === vfioIoctls.VFIO_DEVICE_GET_REGION_INFO.number) return describeRegion(argument);
    return errnoOf("ENOTTY");
  }
}

function describeRegion(argument: Uint8Array): number {
  const struct = vfioStructs.vfio_region_info;
  const { index } = struct.decode(argument);
  const size = index === CONFIG_INDEX ? 256 : index === 0 ? BAR_BYTES : 0;
  struct.write(argument, { flags: REGION_FLAGS, size: BigInt(size), offset: BigInt(index) << 40n });
  return 0;
}

function describeInterrupt(argument: Uint8Array): number {
  const struct = vfioStructs.vfio_irq_info;
  const { index } = struct.decode(argument);
  const count = index === vfioConstants.VFIO_PCI_MSIX_IRQ_INDEX ? 0 : 1;
  struct.write(argument, { flags: vfioConstants.VFIO_IRQ_INFO_EVENTFD, count });
  return 0;
}

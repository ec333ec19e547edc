import { errnoOf, type Kernel } from "@vfio/ioctl-native";
import { vfioConstants, vfioIoctls, vfioStructs } from "@vfio/ioctl-native/vfio";
import type { VfioDevice } from "../src/index.js";

const BAR_BYTES = 0x1000;
const GROUP_FDS = 100;
const CONFIG_INDEX = vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX;
const REGION_FLAGS = vfioConstants.VFIO_REGION_INFO_FLAG_MMAP | vfioConstants.VFIO_REGION_INFO_FLAG_WRITE;

/** A kernel with one PCI device, which has BAR0, MSI and INTx, and what this process holds of it. */
export class FakeDevice {
  /** The open eventfds, the mappings and the holds on the device. */
  readonly held = { eventfds: new Set<number>(), mappings: new Set<number>(), reasons: new Set<string>() };
  /** What the kernel answers from now on, where it does not agree. */
  readonly refusals: { setIrqs?: number; unmap?: number; reset?: number } = {};
  /** What `VFIO_DEVICE_SET_IRQS` and the resets were asked for. */
  readonly calls: string[] = [];
  /** The interrupt info's flags and number of vectors, for all but MSI-X. */
  irq = { flags: vfioConstants.VFIO_IRQ_INFO_EVENTFD, count: 1 };
  canReset = true;
  onReset: () => void = () => undefined;
  /** A reset off the event loop takes until then. */
  untilReset: Promise<unknown> = Promise.resolve();
  /** Called after a write of the command register. */
  onCommand: () => void = () => undefined;
  /** It is pulled out: its config space reads as all ones. */
  gone = false;
  /** Memory went away under its mappings. */
  memoryGone = false;
  /** The command register: the memory space is on. */
  command = 0x02;
  /** PMCSR of a power management capability, if {@link addCapabilities} gave it one. */
  power: number | undefined;
  keepsPower = false;
  /** Where the config space was written, in order. */
  readonly written: number[] = [];
  /** What a hot reset reaches; none if it is on a root bus. */
  bus: { bdf: string; group: number }[] = [];
  /** `VFIO_DEVICE_SET_IRQS` masks nothing. */
  refuseMask = false;
  /** The device was opened by iommufd: it is told of ids where groups would be. */
  namesDeviceIds = false;
  /** Groups have no IOMMU. */
  noIommu = false;
  /** So many times another device comes between two questions. */
  busGrows = 0;
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
      ioctlAsync: async (_fd, request, argument) => {
        await this.untilReset;
        return this.#ioctl(request, argument as Uint8Array);
      },
      pread: (_fd, bytes, offset) => this.#readConfig(bytes, offset % 2 ** 40),
      pwrite: (_fd, bytes, offset) => this.#writeConfig(bytes, offset % 2 ** 40),
      readLink: (link) => this.#linkOf(link),
      eventfd: () => this.#open(eventfds),
      eventfdRead: () => 0,
      eventfdSpin: () => 0,
      watch: () => ({}),
      unwatch: () => undefined,
      watchRef: () => undefined,
      watchUnref: () => undefined,
      close: (fd) => (eventfds.delete(fd) ? 0 : errnoOf("EBADF")),
      pageBytes: () => 4096,
      map: () => this.#open(mappings),
      mappingLength: () => BAR_BYTES,
      mappingGone: () => (this.memoryGone ? 1 : 0),
      mappingAddress: () => 0x1000n,
      // As where the engine forbids memory outside its heap: registers are native calls then.
      mappingView: () => errnoOf("ENOTSUP"),
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

  /** Gives it a capability list: power management at 0x40, PCI Express at 0x50, advanced features at 0x90. */
  addCapabilities(): void {
    this.power = 0;
  }

  /** An open group of that number. */
  group(number: number): { fd: number } {
    return { fd: GROUP_FDS + number };
  }

  #linkOf(link: string): string | number {
    const fd = Number(/^\/proc\/self\/fd\/(\d+)$/.exec(link)?.[1] ?? 0);
    if (fd === 0) return errnoOf("ENOENT");
    return fd >= GROUP_FDS
      ? `/dev/vfio/${this.noIommu ? "noiommu-" : ""}${fd - GROUP_FDS}`
      : "anon_inode:[vfio-device]";
  }

  #readConfig(bytes: Uint8Array, offset: number): number {
    const config = new DataView(new ArrayBuffer(256));
    config.setUint16(0x04, this.command, true);
    if (this.power !== undefined) {
      config.setUint16(0x06, 1 << 4, true);
      config.setUint8(0x34, 0x40);
      config.setUint16(0x40, 0x5001, true);
      config.setUint16(0x50, 0x9010, true);
      config.setUint8(0x90, 0x13);
      config.setUint16(0x44, this.power, true);
    }
    if (this.gone) bytes.fill(0xff);
    else bytes.set(new Uint8Array(config.buffer, offset, bytes.length));
    return bytes.length;
  }

  #writeConfig(bytes: Uint8Array, offset: number): number {
    const [value = 0] = bytes.length === 1 ? bytes : new Uint16Array(bytes.slice(0, 2).buffer);
    this.written.push(offset);
    if (offset === 0x04) {
      this.command = value;
      this.onCommand();
    }
    if (offset === 0x44 && !this.keepsPower) this.power = value;
    return bytes.length;
  }

  #ioctl(request: number, argument: Uint8Array): number {
    switch (request) {
      case vfioIoctls.VFIO_DEVICE_SET_IRQS.number:
        return this.#setIrqs(argument);
      case vfioIoctls.VFIO_DEVICE_GET_IRQ_INFO.number:
        return this.#describeInterrupt(argument);
      case vfioIoctls.VFIO_DEVICE_GET_REGION_INFO.number:
        return describeRegion(argument);
      case vfioIoctls.VFIO_DEVICE_GET_INFO.number:
        vfioStructs.vfio_device_info.write(argument, { flags: this.canReset ? 3 : 2 });
        return 0;
      case vfioIoctls.VFIO_DEVICE_RESET.number:
        return this.#reset("reset");
      case vfioIoctls.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO.number:
        return this.#describeBus(argument);
      case vfioIoctls.VFIO_DEVICE_PCI_HOT_RESET.number: {
        const fds = new Int32Array(argument.slice(vfioStructs.vfio_pci_hot_reset.bytes).buffer);
        return this.#reset(`hot reset with groups ${[...fds].map((fd) => fd - GROUP_FDS).join(",")}`);
      }
      default:
        return errnoOf("ENOTTY");
    }
  }

  #setIrqs(argument: Uint8Array): number {
    const { count, flags } = vfioStructs.vfio_irq_set.decode(argument);
    const has = (flag: number): boolean => (flags & flag) !== 0;
    const masks = has(vfioConstants.VFIO_IRQ_SET_ACTION_MASK);
    if (masks && this.refuseMask) return errnoOf("EINVAL");
    if (masks) this.calls.push("mask");
    else if (has(vfioConstants.VFIO_IRQ_SET_ACTION_UNMASK)) this.calls.push("unmask");
    else if (count === 0) this.calls.push("disable");
    else if (new DataView(argument.buffer).getInt32(vfioStructs.vfio_irq_set.bytes, true) === -1)
      this.calls.push("enable without an eventfd");
    else this.calls.push("enable");
    return this.refusals.setIrqs ?? 0;
  }

  #reset(call: string): number {
    this.calls.push(call);
    this.onReset();
    return this.refusals.reset ?? 0;
  }

  #describeInterrupt(argument: Uint8Array): number {
    const { index } = vfioStructs.vfio_irq_info.decode(argument);
    const none = index === vfioConstants.VFIO_PCI_MSIX_IRQ_INDEX;
    vfioStructs.vfio_irq_info.write(argument, none ? { ...this.irq, count: 0 } : this.irq);
    return 0;
  }

  #describeBus(argument: Uint8Array): number {
    const { vfio_pci_hot_reset_info: info, vfio_pci_dependent_device: device } = vfioStructs;
    if (this.bus.length === 0) return errnoOf("ENODEV");
    info.write(argument, { flags: this.namesDeviceIds ? 1 : 0, count: this.bus.length });
    if (argument.length < info.bytes + this.bus.length * device.bytes) {
      if (this.busGrows-- > 0) this.bus.push({ bdf: "0000:00:11.0", group: 0 });
      return errnoOf("ENOSPC");
    }
    this.bus.forEach(({ bdf, group }, index) => {
      const [segment = 0, bus = 0, slot = 0, fn = 0] = bdf.split(/[:.]/).map((part) => parseInt(part, 16));
      const values = { group_id: group, segment, bus, devfn: (slot << 3) | fn };
      device.write(argument, values, info.bytes + index * device.bytes);
    });
    return 0;
  }
}

function describeRegion(argument: Uint8Array): number {
  const struct = vfioStructs.vfio_region_info;
  const { index } = struct.decode(argument);
  const size = index === CONFIG_INDEX ? 256 : index === 0 ? BAR_BYTES : 0;
  struct.write(argument, { flags: REGION_FLAGS, size: BigInt(size), offset: BigInt(index) << 40n });
  return 0;
}

import { hasErrno, VfioRangeError, type DeviceCalls, type HasFd } from "@vfio/ioctl-native";
import { vfioConstants } from "@vfio/ioctl-native/vfio";
import { orUndo } from "@vfio/ioctl-native/internal";

const {
  VFIO_IRQ_SET_ACTION_MASK: MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER: TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK: UNMASK,
  VFIO_IRQ_SET_DATA_BOOL: DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD: DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE: DATA_NONE,
} = vfioConstants;

/** Enables a vector that raises nothing. */
const NO_EVENTFD: HasFd = { fd: -1 };

/** One of a device's interrupt indexes, controlled by `VFIO_DEVICE_SET_IRQS` (drivers/vfio/pci/vfio_pci_intrs.c). */
export class IrqControl {
  readonly #device: DeviceCalls;
  readonly #index: number;
  readonly #name: string;

  /**
   * @param index `VFIO_PCI_…_IRQ_INDEX`.
   * @param name for error messages: "the msi interrupts of 0000:00:10.0".
   */
  constructor(device: DeviceCalls, index: number, name: string) {
    this.#device = device;
    this.#index = index;
    this.#name = name;
  }

  /**
   * Lets vectors from `start` on raise eventfds. The first call enables the index.
   * @throws VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS` if the machine has fewer vectors left.
   */
  enable(start: number, eventFds: readonly HasFd[]): void {
    const fds = new Uint8Array(new Int32Array(eventFds.map(({ fd }) => fd)).buffer);
    const wanted = start + eventFds.length;
    try {
      const available = this.#set("enable", DATA_EVENTFD | TRIGGER, start, eventFds.length, fds);
      // pci_alloc_irq_vectors() got too few: vfio-pci freed them and returns their number.
      if (available > 0) throw shortageError(this.#name, wanted, `the kernel has ${available} vectors left`);
    } catch (error) {
      // It got none, or the processors have no vector left for one of them (request_irq).
      if (hasErrno(error, "ENOSPC"))
        throw shortageError(this.#name, wanted, "the kernel has too few vectors left");
      throw error;
    }
  }

  /**
   * As {@link enable} for INTx, but masked from the start: until then it has no eventfd to raise. A raised line is
   * reported after {@link unmask}.
   */
  enableMasked(eventFd: HasFd): void {
    this.enable(0, [NO_EVENTFD]);
    const arm = (): void => {
      this.mask();
      this.enable(0, [eventFd]);
    };
    orUndo(arm, () => this.disable());
  }

  /** Removes all triggers. DATA_NONE with a count above 0 would fire the vectors instead. */
  disable(): void {
    this.#set("disable", DATA_NONE | TRIGGER, 0, 0);
  }

  /** Raises the eventfd of each vector from `start` on whose byte is not 0, as the device would. */
  fire(start: number, which: Uint8Array): void {
    this.#set("trigger", DATA_BOOL | TRIGGER, start, which.length, which);
  }

  /** As {@link fire}, for one vector. Called in loops, so it encodes nothing. */
  fireOne(number: number): void {
    if (this.#device.fireIrq(this.#index, number) < 0) this.fire(number, Uint8Array.of(1));
  }

  /** Vector 0 alone (INTx). */
  mask(): void {
    this.#set("mask", DATA_NONE | MASK, 0, 1);
  }

  /** Vector 0 alone (INTx). */
  unmask(): void {
    this.#set("unmask", DATA_NONE | UNMASK, 0, 1);
  }

  #set(verb: string, flags: number, start: number, count: number, data?: Uint8Array): number {
    const set = { index: this.#index, flags, start, count, ...(data === undefined ? {} : { data }) };
    return this.#device.setIrqs(set, () => ({ what: `cannot ${verb} ${this.#name}` }));
  }
}

function shortageError(name: string, wanted: number, left: string): VfioRangeError {
  return new VfioRangeError("ERR_VFIO_INTERRUPT_VECTORS", `${left} for ${name}, not ${wanted}`, {
    hint: "Set up fewer",
  });
}

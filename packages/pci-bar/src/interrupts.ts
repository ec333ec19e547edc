import {
  closedError,
  ioctl,
  runAll,
  vfioConstants,
  VfioError,
  vfioIoctls,
  VfioRangeError,
  vfioStructs,
} from "@vfio/ioctl-native";
import {
  chooseInterrupt,
  INTERRUPT_INDEX,
  type InterruptInfo,
  type InterruptType,
} from "./interrupt-type.js";
import { InterruptVector } from "./interrupt-vector.js";
import { nameOf, type VfioDevice } from "./vfio-device.js";

const {
  VFIO_IRQ_SET_ACTION_TRIGGER: TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK: UNMASK,
  VFIO_IRQ_SET_DATA_EVENTFD: DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE: DATA_NONE,
} = vfioConstants;

/** Options of `PciDevice.setUpInterrupts`. */
export interface InterruptOptions {
  /** Default: the best that the device has, in the order MSI-X, MSI, INTx. */
  readonly type?: InterruptType;
  /** How many vectors to use, from 0 on. Default 1. */
  readonly vectors?: number;
}

/**
 * A device's interrupts: chosen and wired to eventfds by set-up, delivered only between enable and disable.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * using device = group.openDevice("0000:00:10.0");
 * using pci = new PciDevice(device);
 * const interrupts = pci.setUpInterrupts({ vectors: 1 }); // wired, not enabled yet
 * interrupts.enable();
 * const count = await interrupts.vector(0).wait({ timeoutMs: 1000 });
 * console.log(`${count} since the last time`);
 * ```
 */
export class Interrupts implements Disposable {
  /** The chosen type, as the kernel described it. */
  readonly info: InterruptInfo;
  readonly #device: VfioDevice;
  readonly #vectors: readonly InterruptVector[];
  readonly #hold: Disposable | undefined;
  readonly #closeListeners: (() => void)[] = [];
  #enabled = false;
  #closed = false;

  private constructor(device: VfioDevice, info: InterruptInfo, vectors: number) {
    this.info = info;
    this.#device = device;
    this.#vectors = createVectors(vectors, `${info.type} interrupt of ${nameOf(device)}`);
    this.#hold = device.hold?.(`its ${info.type} interrupts`);
  }

  /** Chooses the type and creates the eventfds. Nothing is enabled. Programs call `pci.setUpInterrupts()`. */
  static setUp(device: VfioDevice, options: InterruptOptions = {}): Interrupts {
    const info = chooseInterrupt(device, options.type);
    const { vectors = 1 } = options;
    if (Number.isInteger(vectors) && vectors >= 1 && vectors <= info.vectors)
      return new Interrupts(device, info, vectors);
    throw new VfioRangeError(
      "ERR_VFIO_INTERRUPT_VECTORS",
      `${nameOf(device)} has ${info.vectors} ${info.type} vectors; ${vectors} cannot be set up`,
    );
  }

  /** The chosen type. */
  get type(): InterruptType {
    return this.info.type;
  }

  /** True between {@link enable} and {@link disable}. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** @throws VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS` for a vector that was not set up. */
  vector(number: number): InterruptVector {
    const vector = this.#vectors[number];
    if (vector !== undefined) return vector;
    const last = this.#vectors.length - 1;
    throw new VfioRangeError(
      "ERR_VFIO_INTERRUPT_VECTORS",
      `vector ${number} is not set up: they are 0 to ${last}`,
    );
  }

  /** Tells the kernel to raise the eventfds with the device's interrupts. */
  enable(): void {
    this.#checkOpen();
    this.#setIrqs(
      "enable",
      DATA_EVENTFD | TRIGGER,
      this.#vectors.map(({ fd }) => fd),
    );
    this.#enabled = true;
  }

  /**
   * Lets an INTx interrupt come again: the kernel masks it with each one, since its line stays raised until the
   * device is served.
   * @throws VfioError `ERR_VFIO_NOT_MASKABLE` for other types; `ERR_VFIO_INTERRUPTS_DISABLED` before {@link enable}.
   */
  unmask(): void {
    this.#checkOpen();
    const name = `${this.type} interrupts of ${nameOf(this.#device)}`;
    if (this.type !== "intx") throw new VfioError("ERR_VFIO_NOT_MASKABLE", `${name} are never masked`);
    if (!this.#enabled) throw disabledError(name);
    this.#setIrqs("unmask", DATA_NONE | UNMASK, [], 1);
  }

  /** Nothing is delivered any more. What was counted before can still be read. */
  disable(): void {
    if (!this.#enabled) return;
    // DATA_NONE with a count above 0 would fire the vectors; with 0 it takes all triggers away.
    this.#setIrqs("disable", DATA_NONE | TRIGGER, [], 0);
    this.#enabled = false;
  }

  /**
   * Disables and gives the eventfds back. Closing twice does nothing.
   * @throws VfioSystemError if the kernel did not disable them, as for a device that is gone (`ENODEV`). They are
   * closed all the same, and everything is given back.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll([
      () => this.disable(),
      () => (this.#enabled = false),
      ...this.#vectors.map((vector) => () => vector.close()),
      () => this.#hold?.[Symbol.dispose](),
      ...this.#closeListeners.splice(0),
    ]);
  }

  /** Calls back when these interrupts are closed. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(`the interrupts of ${nameOf(this.#device)}`);
  }

  #setIrqs(verb: string, flags: number, fds: readonly number[], count = fds.length): void {
    const struct = vfioStructs.vfio_irq_set;
    const argsz = struct.bytes + fds.length * 4;
    const buffer = struct.encode({ argsz, flags, index: INTERRUPT_INDEX[this.type], start: 0, count }, argsz);
    buffer.set(new Uint8Array(new Int32Array(fds).buffer), struct.bytes);
    ioctl(this.#device, vfioIoctls.VFIO_DEVICE_SET_IRQS, buffer, () => ({
      what: `cannot ${verb} the ${this.type} interrupts of ${nameOf(this.#device)}`,
    }));
  }
}

function disabledError(name: string): VfioError {
  return new VfioError("ERR_VFIO_INTERRUPTS_DISABLED", `${name} cannot be unmasked: they are not enabled`, {
    hint: "Call interrupts.enable() first",
  });
}

function createVectors(count: number, name: string): InterruptVector[] {
  const vectors: InterruptVector[] = [];
  try {
    for (let number = 0; number < count; number++)
      vectors.push(new InterruptVector(number, `${name}, vector ${number}`));
    return vectors;
  } catch (error) {
    for (const vector of vectors) vector.close();
    throw error;
  }
}

import { VfioError, VfioRangeError, type DeviceCalls } from "@vfio/ioctl-native";
import { deviceCallsOf, type VfioDevice } from "@vfio/ioctl-native/vfio";
import {
  checkFunction,
  checkOptions,
  closedError,
  closings,
  orUndo,
  runAll,
  undo,
  printAs,
} from "@vfio/ioctl-native/internal";
import {
  chooseInterrupt,
  INTERRUPT_INDEX,
  type InterruptInfo,
  type InterruptType,
} from "./interrupt-type.js";
import { InterruptVector } from "./interrupt-vector.js";
import { IrqControl } from "./irq-control.js";

/** Options of `PciDevice.setUpInterrupts`. */
export interface InterruptOptions {
  /** Default: the device's best, in the order MSI-X, MSI, INTx. */
  readonly type?: "msix" | "msi" | "intx";
  /** The number of vectors, from `start` on. Default 1. */
  readonly vectors?: number;
  /** The first vector. Default 0. */
  readonly start?: number;
}

/**
 * A device's interrupts: chosen and wired to eventfds by set-up, delivered only between enable and disable.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 *
 * using pci = new PciDevice(device);
 * const interrupts = pci.setUpInterrupts({ vectors: 1 }); // wired, not enabled yet
 * interrupts.enable();
 * const count = await interrupts.vector(0).wait({ timeoutMs: 1000 });
 * console.log(`${count} since the last time`);
 * ```
 */
export class Interrupts implements Disposable {
  static {
    printAs(Interrupts, (it) => ({
      name: it.#name,
      vectors: it.#vectors.length,
      enabled: it.#enabled,
      closed: it.#closed,
    }));
  }

  readonly info: InterruptInfo;
  readonly #device: DeviceCalls;
  readonly #name: string;
  readonly #start: number;
  readonly #control: IrqControl;
  readonly #vectors: InterruptVector[];
  readonly #hold: Disposable | undefined;
  readonly #closeListeners: (() => void)[] = [];
  #enabled = false;
  #masked = false;
  #closed = false;

  private constructor(device: DeviceCalls, info: InterruptInfo, start: number, vectors: number) {
    this.info = info;
    this.#device = device;
    this.#start = start;
    this.#name = `the ${info.type} interrupts of ${device.name}`;
    this.#control = new IrqControl(device, INTERRUPT_INDEX[info.type], this.#name);
    this.#hold = device.hold?.(`its ${info.type} interrupts`);
    this.#vectors = orUndo(
      () => createVectors(device, info, start, vectors),
      () => this.#hold?.[Symbol.dispose](),
    );
  }

  /** Chooses the type and creates the eventfds, without enabling. Programs call `pci.setUpInterrupts()`. */
  static setUp(device: DeviceCalls | VfioDevice, options: InterruptOptions = {}): Interrupts {
    checkOptions("the options of setUpInterrupts()", options);
    const calls = deviceCallsOf(device);
    const info = chooseInterrupt(calls, options.type);
    const { vectors = 1, start = 0 } = options;
    checkVectors(calls, info, start, vectors);
    return new Interrupts(calls, info, start, vectors);
  }

  get type(): InterruptType {
    return this.info.type;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** All vectors that are set up, in the order of their numbers. */
  get vectors(): readonly InterruptVector[] {
    return [...this.#vectors];
  }

  /**
   * @param number the device's own number of the vector: with `start: 3` the first is 3.
   * @throws VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS` for a vector that was not set up.
   */
  vector(number: number): InterruptVector {
    const vector = typeof number === "number" ? this.#vectors[number - this.#start] : undefined;
    if (vector !== undefined) return vector;
    throw new VfioRangeError(
      "ERR_VFIO_INTERRUPT_VECTORS",
      `vector ${String(number)} is not set up: the vectors are ${this.#start} to ${this.#end - 1}`,
    );
  }

  /**
   * Sets up more vectors, behind the last. If the interrupts are enabled, so are the new ones at once, and the others
   * lose nothing; the kernel allows that only if `info.resizable`.
   * @throws VfioError `ERR_VFIO_INTERRUPTS_NOT_RESIZABLE` if they are enabled and not resizable; VfioRangeError
   * `ERR_VFIO_INTERRUPT_VECTORS`. After a throw the vectors are as before.
   */
  addVectors(count = 1): InterruptVector[] {
    this.#checkOpen();
    checkVectors(this.#device, this.info, this.#end, count);
    if (this.#enabled && !this.info.resizable) throw notResizableError(this.#name);
    const added = createVectors(this.#device, this.info, this.#end, count);
    if (this.#enabled) orUndo(() => this.#control.enable(this.#end, added), ...closings(added));
    this.#vectors.push(...added);
    return added;
  }

  /**
   * Lets the device's interrupts raise the eventfds.
   * @throws VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS` if the machine has fewer vectors left; VfioSystemError.
   */
  enable(): void {
    this.#checkOpen();
    const [first] = this.#vectors;
    if (this.#masked && first !== undefined) this.#control.enableMasked(first);
    else this.#control.enable(this.#start, this.#vectors);
    this.#enabled = true;
  }

  /**
   * Masks INTx until {@link unmask}, also over {@link disable} and {@link enable}, or a reset. MSI and MSI-X cannot be
   * masked through VFIO.
   * @throws VfioError `ERR_VFIO_NOT_MASKABLE` for other types; `ERR_VFIO_INTERRUPTS_DISABLED` before {@link enable}.
   */
  mask(): void {
    this.#checkMaskable();
    this.#control.mask();
    this.#masked = true;
  }

  /**
   * Unmasks INTx: the kernel masks it with each interrupt, since its line stays raised until the device is served.
   * Throws as {@link mask}.
   */
  unmask(): void {
    this.#checkMaskable();
    this.#control.unmask();
    this.#masked = false;
  }

  /**
   * Raises vectors as if the device had (the kernel's loopback): to test a program without the device's help.
   * @param numbers of vectors; all in one system call.
   * @throws VfioError `ERR_VFIO_INTERRUPTS_DISABLED` before {@link enable}; VfioRangeError `ERR_VFIO_INTERRUPT_VECTORS`
   * for a vector that was not set up.
   */
  trigger(...numbers: number[]): void {
    this.#checkEnabled("triggered");
    if (numbers.length === 1) return this.#control.fireOne(this.vector(numbers[0] ?? NaN).number);
    const which = new Uint8Array(this.#vectors.length);
    for (const number of numbers) which[this.vector(number).number - this.#start] = 1;
    if (numbers.length > 0) this.#control.fire(this.#start, which);
  }

  /** Stops delivery. Earlier counts can still be read. */
  disable(): void {
    if (!this.#enabled) return;
    this.#control.disable();
    this.#enabled = false;
  }

  /**
   * Disables and closes the eventfds. Closing twice does nothing.
   * @throws VfioSystemError if the kernel did not disable them, as for a device that is gone (`ENODEV`). Everything is
   * closed all the same.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll([
      () => this.disable(),
      () => (this.#enabled = false),
      ...closings(this.#vectors),
      () => this.#hold?.[Symbol.dispose](),
      ...this.#closeListeners.splice(0),
    ]);
  }

  /** Calls back when these interrupts are closed. */
  onClose(listener: () => void): void {
    checkFunction("the listener of onClose()", listener);
    this.#closeListeners.push(listener);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #end(): number {
    return this.#start + this.#vectors.length;
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.#name);
  }

  #checkEnabled(verb: string): void {
    this.#checkOpen();
    if (this.#enabled) return;
    throw new VfioError(
      "ERR_VFIO_INTERRUPTS_DISABLED",
      `${this.#name} cannot be ${verb}: they are not enabled`,
      { hint: "Call interrupts.enable() first" },
    );
  }

  #checkMaskable(): void {
    this.#checkOpen();
    if (this.type !== "intx") throw new VfioError("ERR_VFIO_NOT_MASKABLE", `${this.#name} are never masked`);
    this.#checkEnabled("masked or unmasked");
  }
}

/** The kernel serves one type at a time. @throws VfioError `ERR_VFIO_INTERRUPTS_IN_USE`. */
export function checkNoneInUse(open: Interrupts | undefined, device: string): void {
  if (open === undefined) return;
  throw new VfioError("ERR_VFIO_INTERRUPTS_IN_USE", `${device} has ${open.type} interrupts set up already`, {
    hint: "Close the first: interrupts.close()",
  });
}

function checkVectors(device: DeviceCalls, info: InterruptInfo, start: number, count: number): void {
  const whole = Number.isInteger(start) && Number.isInteger(count);
  if (whole && start >= 0 && count >= 1 && start + count <= info.vectors) return;
  const from = start === 0 ? "" : ` from ${String(start)} on`;
  throw new VfioRangeError(
    "ERR_VFIO_INTERRUPT_VECTORS",
    `${device.name} has ${info.vectors} ${info.type} vectors; ${String(count)}${from} cannot be set up`,
  );
}

function notResizableError(name: string): VfioError {
  return new VfioError(
    "ERR_VFIO_INTERRUPTS_NOT_RESIZABLE",
    `the kernel cannot add vectors to ${name} while they are enabled`,
    { hint: "Disable them, add the vectors, and enable them again; or set up enough from the start" },
  );
}

function createVectors(
  device: DeviceCalls,
  { type }: InterruptInfo,
  start: number,
  count: number,
): InterruptVector[] {
  const vectors: InterruptVector[] = [];
  try {
    for (let number = start; number < start + count; number++)
      vectors.push(new InterruptVector(number, `${type} interrupt of ${device.name}, vector ${number}`));
    return vectors;
  } catch (error) {
    undo(error, closings(vectors));
  }
}

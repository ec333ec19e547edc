import { hasErrno, VfioError, type DeviceCalls } from "@vfio/ioctl-native";
import { vfioConstants } from "@vfio/ioctl-native/vfio";
import { orUndo, printAs, runAll } from "@vfio/ioctl-native/internal";
import { InterruptVector, type InterruptListener, type ListenOptions } from "./interrupt-vector.js";
import { IrqControl } from "./irq-control.js";

export type KernelInterruptKind = "error" | "removal request";

const IRQ_INDEX: Record<KernelInterruptKind, number> = {
  error: vfioConstants.VFIO_PCI_ERR_IRQ_INDEX,
  "removal request": vfioConstants.VFIO_PCI_REQ_IRQ_INDEX,
};

/**
 * One of the two interrupts that the kernel itself raises: ERR and REQ. They are independent of the device's interrupt
 * type, and survive a reset.
 */
export class KernelInterrupt implements Disposable {
  static {
    printAs(KernelInterrupt, (it) => ({ kind: it.kind, closed: it.#closed }));
  }

  readonly kind: KernelInterruptKind;
  readonly #control: IrqControl;
  readonly #vector: InterruptVector;
  readonly #hold: Disposable | undefined;
  readonly #closeListeners: (() => void)[] = [];
  #closed = false;

  /** @throws VfioError `ERR_VFIO_NO_INTERRUPT` if the kernel has none for the device. */
  constructor(device: DeviceCalls, kind: KernelInterruptKind) {
    checkAvailable(device, kind);
    this.kind = kind;
    const name = `the ${kind} interrupt of ${device.name}`;
    this.#control = new IrqControl(device, IRQ_INDEX[kind], name);
    this.#hold = device.hold?.(`its ${kind} interrupt`);
    this.#vector = orUndo(
      () => enabledVector(this.#control, name),
      () => this.#hold?.[Symbol.dispose](),
    );
  }

  /** Calls back with each interrupt, until disposed of. */
  listen(listener: InterruptListener, { keepAlive = false }: ListenOptions = {}): Disposable {
    return this.#vector.onInterrupt(listener, { keepAlive });
  }

  /** Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll([
      () => this.#control.disable(),
      () => this.#vector.close(),
      () => this.#hold?.[Symbol.dispose](),
      ...this.#closeListeners.splice(0),
    ]);
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The kernel has one eventfd for each kind: a second listener would take it away from the first.
 * @throws VfioError `ERR_VFIO_INTERRUPTS_IN_USE`.
 */
export function checkNobodyListens(
  open: readonly KernelInterrupt[],
  kind: KernelInterruptKind,
  device: string,
): void {
  if (!open.some((each) => each.kind === kind)) return;
  throw new VfioError(
    "ERR_VFIO_INTERRUPTS_IN_USE",
    `another PciDevice of ${device} listens to its ${kind} interrupt`,
    { hint: "Listen there, or close it first" },
  );
}

function enabledVector(control: IrqControl, name: string): InterruptVector {
  const vector = new InterruptVector(0, name);
  orUndo(
    () => control.enable(0, [vector]),
    () => vector.close(),
  );
  return vector;
}

const HINT: Record<KernelInterruptKind, string> = {
  error: "Only PCI Express devices report errors (AER)",
  "removal request": "The device's driver in this kernel sends no removal requests",
};

/** Of a device without PCI Express, the kernel answers EINVAL for ERR. */
function checkAvailable(device: DeviceCalls, kind: KernelInterruptKind): void {
  const message = `${device.name} has no ${kind} interrupt`;
  try {
    if (device.irq(IRQ_INDEX[kind], () => ({ what: message })).vectors > 0) return;
  } catch (error) {
    if (!hasErrno(error, "EINVAL")) throw error;
  }
  throw new VfioError("ERR_VFIO_NO_INTERRUPT", message, { hint: HINT[kind] });
}

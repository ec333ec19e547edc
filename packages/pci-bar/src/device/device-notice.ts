import { getIrqInfo, hasErrno, orUndo, printAs, runAll, vfioConstants, VfioError } from "@vfio/ioctl-native";
import {
  InterruptVector,
  type InterruptListener,
  type ListenOptions,
} from "../interrupts/interrupt-vector.js";
import { IrqControl } from "../interrupts/irq-control.js";
import { nameOf, type VfioDevice } from "./vfio-device.js";

/** What the kernel can tell about a device, beside the device's own interrupts. */
export type NoticeKind = "error" | "removal request";

const NOTICE_INDEX: Record<NoticeKind, number> = {
  error: vfioConstants.VFIO_PCI_ERR_IRQ_INDEX,
  "removal request": vfioConstants.VFIO_PCI_REQ_IRQ_INDEX,
};

/**
 * One of the two interrupts that the kernel itself raises: ERR and REQ. They are independent of the device's own
 * type, and outlive a reset.
 */
export class DeviceNotice implements Disposable {
  static {
    printAs(DeviceNotice, (it) => ({ kind: it.kind, closed: it.#closed }));
  }

  /** What it tells. */
  readonly kind: NoticeKind;
  readonly #control: IrqControl;
  readonly #vector: InterruptVector;
  readonly #hold: Disposable | undefined;
  readonly #closeListeners: (() => void)[] = [];
  #closed = false;

  /** @throws VfioError `ERR_VFIO_NO_INTERRUPT` if the kernel has no such notice for the device. */
  constructor(device: VfioDevice, kind: NoticeKind) {
    checkAvailable(device, kind);
    this.kind = kind;
    const name = `the ${kind} interrupt of ${nameOf(device)}`;
    this.#control = new IrqControl(device, NOTICE_INDEX[kind], name);
    this.#hold = device.hold?.(`its ${kind} interrupt`);
    this.#vector = orUndo(
      () => enabledVector(this.#control, name),
      () => this.#hold?.[Symbol.dispose](),
    );
  }

  /** Calls back with each notice, until disposed of. */
  listen(listener: InterruptListener, { keepAlive = false }: ListenOptions = {}): Disposable {
    return this.#vector.onInterrupt(listener, { keepAlive });
  }

  /** Nothing is told any more. Closing twice does nothing. */
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

  /** Calls back when this notice is closed. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The kernel has one eventfd for each kind: a second notice would take it away from the first.
 * @throws VfioError `ERR_VFIO_INTERRUPTS_IN_USE`.
 */
export function checkNobodyListens(open: readonly DeviceNotice[], kind: NoticeKind, device: string): void {
  if (!open.some((notice) => notice.kind === kind)) return;
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

const HINT: Record<NoticeKind, string> = {
  error: "Only PCI Express devices report errors (AER)",
  "removal request": "This kernel's driver for the device does not ask for it back",
};

/** For a device without PCI Express the kernel answers EINVAL when it is asked about ERR. */
function checkAvailable(device: VfioDevice, kind: NoticeKind): void {
  const message = `${nameOf(device)} has no ${kind} interrupt`;
  try {
    if (getIrqInfo(device, NOTICE_INDEX[kind], () => ({ what: message })).vectors > 0) return;
  } catch (error) {
    if (!hasErrno(error, "EINVAL")) throw error;
  }
  throw new VfioError("ERR_VFIO_NO_INTERRUPT", message, { hint: HINT[kind] });
}

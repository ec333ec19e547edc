import { checkObject } from "../errors/argument-error.js";
import type { HasFd } from "../files/fd.js";
import { ioctl, unsafeIoctl } from "../kernel/ioctl.js";
import { ask, type ContextOfErrno } from "./ask.js";
import {
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
} from "./constants.js";
import { VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS } from "./ioctls.js";
import { vfio_irq_set } from "./structs.js";

/** The answer of `VFIO_DEVICE_GET_IRQ_INFO` for one interrupt index. */
export interface IrqInfo {
  /** 0 if the device does not have the type. */
  readonly vectors: number;
  readonly eventfd: boolean;
  readonly maskable: boolean;
  /** The kernel masks it with every interrupt, until it is unmasked (INTx). */
  readonly automasked: boolean;
  /** Vectors can be added while it is enabled (MSI-X, from Linux 6.6 on where the machine allows it). */
  readonly resizable: boolean;
}

/** `VFIO_DEVICE_GET_IRQ_INFO`. */
export function getIrqInfo(device: HasFd, index: number, context?: ContextOfErrno): IrqInfo {
  const { flags, count } = ask(device, VFIO_DEVICE_GET_IRQ_INFO, { index }, context);
  return {
    vectors: count,
    eventfd: (flags & VFIO_IRQ_INFO_EVENTFD) !== 0,
    maskable: (flags & VFIO_IRQ_INFO_MASKABLE) !== 0,
    automasked: (flags & VFIO_IRQ_INFO_AUTOMASKED) !== 0,
    resizable: (flags & VFIO_IRQ_INFO_NORESIZE) === 0,
  };
}

/** An action on some vectors of an index. */
export interface IrqSet {
  /** `VFIO_PCI_…_IRQ_INDEX`. */
  readonly index: number;
  /** One `VFIO_IRQ_SET_DATA_…` and one `VFIO_IRQ_SET_ACTION_…`. */
  readonly flags: number;
  readonly start: number;
  readonly count: number;
  /** As `flags` announce: an eventfd (s32) or a byte for each vector. */
  readonly data?: Uint8Array;
}

/**
 * Wires, fires, masks or disables interrupts (`VFIO_DEVICE_SET_IRQS`).
 * @returns 0, or the number of vectors there are, if fewer than asked for.
 */
export function setIrqs(device: HasFd, irqs: IrqSet, context?: ContextOfErrno): number {
  checkObject("the set of interrupts", irqs);
  const { data, ...set } = irqs;
  const buffer = vfio_irq_set.encode(set, vfio_irq_set.bytes + (data?.length ?? 0));
  if (data !== undefined) buffer.set(data, vfio_irq_set.bytes);
  return ioctl(device, VFIO_DEVICE_SET_IRQS, buffer, context);
}

/** As {@link setIrqs} with an encoded struct: for loops. Returns `-errno` on failure. */
export function trySetIrqs(device: HasFd, encoded: Uint8Array): number {
  return unsafeIoctl(device, VFIO_DEVICE_SET_IRQS.number, encoded);
}

import {
  deviceCallsOf,
  vfioConstants,
  VfioError,
  type DeviceCalls,
  type IrqInfo,
  type VfioDevice,
} from "@vfio/ioctl-native";
import { argumentError } from "@vfio/ioctl-native/internal";

/** How a device interrupts. */
export type InterruptType = "msix" | "msi" | "intx";

/** VFIO's index of each type. */
export const INTERRUPT_INDEX: Record<InterruptType, number> = {
  msix: vfioConstants.VFIO_PCI_MSIX_IRQ_INDEX,
  msi: vfioConstants.VFIO_PCI_MSI_IRQ_INDEX,
  intx: vfioConstants.VFIO_PCI_INTX_IRQ_INDEX,
};

/** Best first: the order in which DPDK chooses, too. */
const PREFERENCE: readonly InterruptType[] = ["msix", "msi", "intx"];

/** What the kernel says of one interrupt type of a device (`VFIO_DEVICE_GET_IRQ_INFO`). */
export interface InterruptInfo extends IrqInfo {
  /** The type that was asked about. */
  readonly type: InterruptType;
}

/**
 * Asks for an interrupt type.
 * @throws VfioSystemError; VfioRangeError `ERR_VFIO_ARGUMENT` for what is no device, or none of the types.
 */
export function readInterruptInfo(device: DeviceCalls | VfioDevice, type: InterruptType): InterruptInfo {
  const calls = deviceCallsOf(device);
  if (!Object.hasOwn(INTERRUPT_INDEX, type))
    throw argumentError("the interrupt type", `one of ${PREFERENCE.join(", ")}`, type);
  const info = calls.irq(INTERRUPT_INDEX[type], () => ({
    what: `cannot read the ${type} interrupt info of ${calls.name}`,
  }));
  return { type, ...info };
}

/**
 * The best type that a device has: MSI-X, then MSI, then INTx; or the forced one.
 * @throws VfioError `ERR_VFIO_NO_INTERRUPT` if it has none, or not the forced one.
 */
export function chooseInterrupt(device: DeviceCalls | VfioDevice, forced?: InterruptType): InterruptInfo {
  const candidates = forced === undefined ? PREFERENCE : [forced];
  const all = candidates.map((type) => readInterruptInfo(device, type));
  const chosen = all.find(({ vectors, eventfd }) => vectors > 0 && eventfd);
  if (chosen !== undefined) return chosen;
  const wanted = forced ?? "usable interrupts";
  throw new VfioError("ERR_VFIO_NO_INTERRUPT", `${deviceCallsOf(device).name} has no ${wanted}`, {
    hint: forced === undefined ? "Poll its registers instead" : "Omit the type to get the device's best",
  });
}

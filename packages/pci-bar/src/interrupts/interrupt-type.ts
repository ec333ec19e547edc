import { VfioError, type DeviceCalls } from "@vfio/ioctl-native";
import { deviceCallsOf, vfioConstants, type IrqInfo, type VfioDevice } from "@vfio/ioctl-native/vfio";
import { argumentError } from "@vfio/ioctl-native/internal";

/** MSI-X, MSI, or INTx (the legacy line). */
export type InterruptType = "msix" | "msi" | "intx";

export const INTERRUPT_INDEX: Record<InterruptType, number> = {
  msix: vfioConstants.VFIO_PCI_MSIX_IRQ_INDEX,
  msi: vfioConstants.VFIO_PCI_MSI_IRQ_INDEX,
  intx: vfioConstants.VFIO_PCI_INTX_IRQ_INDEX,
};

/** Best first, as in DPDK. */
const PREFERENCE: readonly InterruptType[] = ["msix", "msi", "intx"];

/** One interrupt type of a device (`VFIO_DEVICE_GET_IRQ_INFO`). */
export interface InterruptInfo extends IrqInfo {
  readonly type: InterruptType;
}

/**
 * Asks the kernel for an interrupt type.
 * @throws VfioSystemError; VfioRangeError `ERR_VFIO_ARGUMENT` if `device` is no device, or `type` no type.
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
 * The best type of a device (MSI-X, then MSI, then INTx), or the forced one.
 * @throws VfioError `ERR_VFIO_NO_INTERRUPT` if the device has none, or not the forced one.
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

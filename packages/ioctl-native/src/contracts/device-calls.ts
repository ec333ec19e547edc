import type { SharedFile } from "../files/shared-file.js";
import type { ContextOfErrno } from "../vfio/ask.js";
import type { DeviceInfo } from "../vfio/device.js";
import type { HotResetInfo } from "../vfio/hot-reset.js";
import type { IrqInfo, IrqSet } from "../vfio/irqs.js";
import type { MappableArea, RegionInfo } from "../vfio/region.js";
import type { RegionWindow } from "./region-window.js";

/**
 * What can be asked of an open VFIO device, by whatever way: ioctls on its fd, messages to a vfio-user server, calls of
 * an emulated model. A driver uses this, not an fd.
 *
 * Each call throws VfioSystemError with the errno that the kernel has for it: EINVAL for an index the device does not
 * have. `context` says what could not be done; it is called only then.
 */
export interface DeviceCalls {
  /** Who answers. */
  readonly kind: "vfio" | "vfio-user" | "emulated";
  /** Its full PCI address, if it has one. */
  readonly bdf?: string | undefined;
  /** What messages call it: its address, or "the PCI device with fd 3". */
  readonly name: string;
  /** What it has (`VFIO_DEVICE_GET_INFO`). */
  info(context?: ContextOfErrno): DeviceInfo;
  /** One of its regions (`VFIO_DEVICE_GET_REGION_INFO`). */
  region(index: number, context?: ContextOfErrno): RegionInfo;
  /**
   * Fills `into` from a region; 1, 2 or 4 aligned bytes are one access of that width.
   * @throws VfioError `ERR_VFIO_SHORT_IO` if fewer bytes came.
   */
  readRegion(index: number, offset: number, into: Uint8Array): void;
  /** Writes all of `from` to a region. Widths and errors as {@link readRegion}. */
  writeRegion(index: number, offset: number, from: Uint8Array): void;
  /** Makes a part of a region answer loads and stores: one that {@link region} calls mappable. */
  mapRegion(index: number, area: MappableArea, writable: boolean): RegionWindow;
  /** One of its interrupt indexes (`VFIO_DEVICE_GET_IRQ_INFO`). */
  irq(index: number, context?: ContextOfErrno): IrqInfo;
  /**
   * Wires, fires, masks or disables interrupts (`VFIO_DEVICE_SET_IRQS`).
   * @returns 0; or how many vectors there were, if they are fewer than asked for.
   */
  setIrqs(set: IrqSet, context?: ContextOfErrno): number;
  /** Raises one vector, as the device would; 0 or `-errno`. It is called in loops: it makes no object and no error. */
  fireIrq(index: number, vector: number): number;
  /** Resets it alone (`VFIO_DEVICE_RESET`). **This call blocks**, up to seconds. */
  reset(context?: ContextOfErrno): void;
  /** As {@link reset}, off the event loop; without it, a reset does not last. */
  resetAsync?(context?: ContextOfErrno): Promise<void>;
  /** What a hot reset reaches (`VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`). Without it there is no bus to reset. */
  hotResetInfo?(context: ContextOfErrno): HotResetInfo;
  /** Resets its slot or bus (`VFIO_DEVICE_PCI_HOT_RESET`), given the fds of all groups there. **This call blocks.** */
  hotReset?(groups: readonly number[], context?: ContextOfErrno): void;
  /** As {@link hotReset}, off the event loop. */
  hotResetAsync?(groups: readonly number[], context?: ContextOfErrno): Promise<void>;
  /** Forbids closing the device until disposed of; `undefined` if nobody watches over that. */
  hold?(reason: string): Disposable | undefined;
  /** A file by which other threads read and write its regions, each at its `fileOffset`. The caller closes it. */
  shareForThreads?(name: string): SharedFile;
  /** Calls back once, when it is known not to answer any more: its server hung up, its model was removed. */
  onGone?(listener: () => void): Disposable;
}

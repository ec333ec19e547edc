import type { SharedFile } from "../files/shared-file.js";
import type { LinearMemory } from "../memory/linear-memory.js";
import type { ContextOfErrno } from "../vfio/ask.js";
import type { DeviceInfo } from "../vfio/device.js";
import type { HotResetInfo } from "../vfio/hot-reset.js";
import type { IrqInfo, IrqSet } from "../vfio/irqs.js";
import type { MappableArea, RegionInfo } from "../vfio/region.js";
import type { RegionWindow } from "./region-window.js";

/**
 * The questions to an open VFIO device, by whatever way: ioctls on its fd, messages to a vfio-user server, calls of an
 * emulator. A driver uses this, not an fd.
 *
 * Each call throws VfioSystemError with the kernel's errno: EINVAL for an index the device does not have. `context`
 * names what failed; it is called only then.
 */
export interface DeviceCalls {
  readonly kind: "vfio" | "vfio-user" | "emulated";
  readonly bdf?: string | undefined;
  /** The device's name in messages: its address, or "the PCI device with fd 3". */
  readonly name: string;
  /** `VFIO_DEVICE_GET_INFO`. */
  info(context?: ContextOfErrno): DeviceInfo;
  /** `VFIO_DEVICE_GET_REGION_INFO`. */
  region(index: number, context?: ContextOfErrno): RegionInfo;
  /**
   * Fills `into` from a region; 1, 2 or 4 aligned bytes are one access of that width.
   * @throws VfioError `ERR_VFIO_SHORT_IO` if fewer bytes came.
   */
  readRegion(index: number, offset: number, into: Uint8Array): void;
  /** Writes all of `from` to a region. Widths and errors as {@link readRegion}. */
  writeRegion(index: number, offset: number, from: Uint8Array): void;
  /**
   * Maps a part of a region that {@link region} calls mappable.
   * @param within lays it into this memory, too; a device without an mmap ignores it.
   */
  mapRegion(index: number, area: MappableArea, writable: boolean, within?: LinearMemory): RegionWindow;
  /** `VFIO_DEVICE_GET_IRQ_INFO`. */
  irq(index: number, context?: ContextOfErrno): IrqInfo;
  /**
   * Wires, fires, masks or disables interrupts (`VFIO_DEVICE_SET_IRQS`).
   * @returns 0, or the number of vectors there are, if fewer than asked for.
   */
  setIrqs(set: IrqSet, context?: ContextOfErrno): number;
  /**
   * Raises one vector, as the device would. Called in loops: it makes no object and no error. @returns 0 or `-errno`.
   */
  fireIrq(index: number, vector: number): number;
  /** Resets the device alone (`VFIO_DEVICE_RESET`). **Blocks**, up to seconds. */
  reset(context?: ContextOfErrno): void;
  /** As {@link reset}, off the event loop. Without it, a reset takes no time. */
  resetAsync?(context?: ContextOfErrno): Promise<void>;
  /** The reach of a hot reset (`VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`). Without it there is no bus to reset. */
  hotResetInfo?(context: ContextOfErrno): HotResetInfo;
  /** Resets the slot or bus (`VFIO_DEVICE_PCI_HOT_RESET`), given the fds of all groups there. **Blocks.** */
  hotReset?(groups: readonly number[], context?: ContextOfErrno): void;
  /** As {@link hotReset}, off the event loop. */
  hotResetAsync?(groups: readonly number[], context?: ContextOfErrno): Promise<void>;
  /** Forbids closing the device until disposed of; `undefined` if nothing enforces that. */
  hold?(reason: string): Disposable | undefined;
  /** A file for other threads to read and write regions, each at its `fileOffset`. The caller closes it. */
  shareForThreads?(name: string): SharedFile;
  /** Calls back once when the device answers no longer: its server hung up, its emulator was closed. */
  onGone?(listener: () => void): Disposable;
}

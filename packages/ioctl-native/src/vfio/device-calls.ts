import type { DeviceCalls } from "../contracts/device-calls.js";
import type { RegionWindow } from "../contracts/region-window.js";
import { checkHasFd } from "../errors/argument-error.js";
import type { HasFd } from "../files/fd.js";
import { readInto, writeAt } from "../files/file-io.js";
import { SharedFile } from "../files/shared-file.js";
import { undo } from "../lifecycle/run-all.js";
import type { LinearMemory } from "../memory/linear-memory.js";
import { Mapping } from "../memory/mapping.js";
import { registerMemory } from "../memory/register-memory.js";
import { mappedWindow } from "../memory/mapped-window.js";
import type { ContextOfErrno } from "./ask.js";
import { VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_DATA_NONE } from "./constants.js";
import { getDeviceInfo, resetDevice, resetDeviceAsync, type DeviceInfo } from "./device.js";
import { getHotResetInfo, hotResetDevice, hotResetDeviceAsync, type HotResetInfo } from "./hot-reset.js";
import { getIrqInfo, setIrqs, trySetIrqs, type IrqInfo, type IrqSet } from "./irqs.js";
import { getRegionInfo, regionName, type MappableArea, type RegionInfo } from "./region.js";
import { vfio_irq_set } from "./structs.js";

/** An open VFIO device, wherever its fd came from. */
export interface VfioDevice extends HasFd {
  readonly bdf?: string;
  /** Forbids closing the device while BARs are mapped or interrupts set up: they would keep it busy in the kernel. */
  hold?(reason: string): Disposable;
}

const FIRE = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
const [INDEX] = vfio_irq_set.fields.index;
const [START] = vfio_irq_set.fields.start;
const known = new WeakMap<VfioDevice, DeviceCalls>();

/**
 * A device's own calls, or ioctls on its fd: the same object each time for the same device.
 * @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything without either.
 */
export function deviceCallsOf(device: DeviceCalls | VfioDevice): DeviceCalls {
  // A device by calls may have no fd, or one that its calls do not use.
  if (isDeviceCalls(device)) return device;
  checkHasFd("the device", "an open VFIO device", device);
  const calls = known.get(device) ?? new FdDeviceCalls(device);
  known.set(device, calls);
  return calls;
}

function isDeviceCalls(device: DeviceCalls | VfioDevice | null | undefined): device is DeviceCalls {
  return typeof (device as Partial<DeviceCalls> | null | undefined)?.readRegion === "function";
}

interface RegionPlace {
  readonly fileOffset: number;
  readonly name: string;
}

/** The kernel's own device: each call is one ioctl, `pread`, `pwrite` or `mmap`. */
class FdDeviceCalls implements DeviceCalls {
  readonly kind = "vfio";
  readonly bdf: string | undefined;
  readonly name: string;
  readonly #device: VfioDevice;
  readonly #places: RegionPlace[] = [];
  readonly #fire = vfio_irq_set.encode({ flags: FIRE, count: 1 });
  readonly #fireWords = new Uint32Array(this.#fire.buffer);

  constructor(device: VfioDevice) {
    this.bdf = device.bdf;
    this.name = device.bdf ?? `the PCI device with fd ${device.fd}`;
    this.#device = device;
  }

  info(context?: ContextOfErrno): DeviceInfo {
    return getDeviceInfo(this.#device, context);
  }

  region(
    index: number,
    context: ContextOfErrno = () => ({ what: `cannot read region ${String(index)} of ${this.name}` }),
  ): RegionInfo {
    return getRegionInfo(this.#device, index, context);
  }

  readRegion(index: number, offset: number, into: Uint8Array): void {
    const { fileOffset, name } = this.#place(index);
    readInto(this.#device, fileOffset + offset, into, name);
  }

  writeRegion(index: number, offset: number, from: Uint8Array): void {
    const { fileOffset, name } = this.#place(index);
    writeAt(this.#device, fileOffset + offset, from, name);
  }

  mapRegion(
    index: number,
    { offset, bytes }: MappableArea,
    writable: boolean,
    within?: LinearMemory,
  ): RegionWindow {
    const { fileOffset, name } = this.#place(index);
    const part = { file: this.#device, offset: fileOffset + offset, bytes, writable, name };
    const mapping = Mapping.map({
      ...part,
      within: within ?? (writable ? registerMemory(bytes) : undefined),
    });
    try {
      const window = mappedWindow(offset, mapping);
      // The packages' own memory for registers is told to nobody: who has it reaches all devices' BARs.
      return within === undefined || mapping.place === undefined
        ? window
        : { ...window, place: mapping.place };
    } catch (error) {
      undo(error, [() => mapping.close()]);
    }
  }

  irq(index: number, context?: ContextOfErrno): IrqInfo {
    return getIrqInfo(this.#device, index, context);
  }

  setIrqs(set: IrqSet, context?: ContextOfErrno): number {
    return setIrqs(this.#device, set, context);
  }

  fireIrq(index: number, vector: number): number {
    this.#fireWords[INDEX / 4] = index;
    this.#fireWords[START / 4] = vector;
    return trySetIrqs(this.#device, this.#fire);
  }

  reset(context?: ContextOfErrno): void {
    resetDevice(this.#device, context);
  }

  async resetAsync(context?: ContextOfErrno): Promise<void> {
    await resetDeviceAsync(this.#device, context);
  }

  hotResetInfo(context: ContextOfErrno): HotResetInfo {
    return getHotResetInfo(this.#device, context);
  }

  hotReset(groups: readonly number[], context?: ContextOfErrno): void {
    hotResetDevice(this.#device, groups, context);
  }

  async hotResetAsync(groups: readonly number[], context?: ContextOfErrno): Promise<void> {
    await hotResetDeviceAsync(this.#device, groups, context);
  }

  hold(reason: string): Disposable | undefined {
    return this.#device.hold?.(reason);
  }

  shareForThreads(name: string): SharedFile {
    return SharedFile.of(this.#device, name);
  }

  /** Asks the kernel once: it never moves a region. */
  #place(index: number): RegionPlace {
    return (this.#places[index] ??= {
      fileOffset: this.region(index).fileOffset,
      name: regionName(index, this.name),
    });
  }
}

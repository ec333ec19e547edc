import { VfioError, type PciDeviceInfo, type WaitLimits } from "@vfio/ioctl-native";
import {
  argumentError,
  checkOptions,
  checkWaitLimits,
  describePciDevice,
  exists,
  isVfioDriver,
  printAs,
} from "@vfio/ioctl-native/internal";
import { changeDriver } from "./driver-change.js";
import { claimGroup, claimGroupAsync } from "./group-claim.js";
import { runSteps, runStepsAsync } from "./sysfs-steps.js";
import { leavesDmaToUser } from "../group/viability.js";

/** A device at another driver, to be given back. Dispose of it when the device and its group are closed. */
export class DriverBinding implements Disposable, AsyncDisposable {
  static {
    printAs(DriverBinding, (it) => ({ bdf: it.bdf, former: it.former, restored: it.#restored }));
  }

  /** The device's full PCI address. */
  readonly bdf: string;
  /** The driver that the device had before, or `undefined` for none. */
  readonly former: string | undefined;
  #restoring: Promise<void> | undefined;
  #restored = false;

  /** Programs call {@link bindDriver}. */
  constructor(bdf: string, former: string | undefined) {
    this.bdf = bdf;
    this.former = former;
  }

  /** Gives the device back to its former driver, as {@link bindDriver} and with its errors. Twice does nothing. */
  restore(): void {
    if (this.#restored) return;
    bindDriver(this.bdf, this.former);
    this.#restored = true;
  }

  /** As {@link restore}, off the event loop, as {@link bindDriverAsync} and with its errors. */
  async restoreAsync(options: WaitLimits = {}): Promise<void> {
    if (this.#restored) return;
    this.#restoring ??= this.#restore(options);
    await this.#restoring;
  }

  /** As {@link restore}. */
  [Symbol.dispose](): void {
    this.restore();
  }

  /** As {@link restoreAsync}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.restoreAsync();
  }

  async #restore(options: WaitLimits): Promise<void> {
    try {
      await bindDriverAsync(this.bdf, this.former, options);
      this.#restored = true;
    } finally {
      this.#restoring = undefined;
    }
  }
}

/**
 * Gives a device to a kernel driver (usually `vfio-pci`) or, with `undefined`, to none. Needs root.
 *
 * Works through `driver_override`, so no other device of the same kind is touched; the override is afterwards what it
 * was. The former driver's unbind stops whatever used the device. **This call blocks**: the kernel's drivers may take
 * seconds to let go of a device or to take it. {@link bindDriverAsync} does not.
 *
 * A device that is open through VFIO is not taken from it, since the kernel would wait until it is closed.
 * @param driver the driver's name, as in `/sys/bus/pci/drivers`; or what this function returned, to give the device back.
 * @returns dispose of it, or call its `restore()`, to give the device back. After a failure it is given back already.
 * @throws VfioError `ERR_VFIO_DEVICE_IN_USE` if this or another process has the device's group open;
 * `ERR_VFIO_BIND_FAILED` if there is no such driver, or it did not take the device; VfioSystemError without the rights;
 * VfioRangeError `ERR_VFIO_ARGUMENT`; and what {@link describePciDevice} throws.
 * @example
 * ```ts
 * // needs a device, and root
 * import { bindDriver, Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using binding = bindDriver("0000:03:00.0", "vfio-pci");
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf(binding.bdf));
 * // … at the end group and container are closed, and then the driver has the device again
 * ```
 */
export function bindDriver(address: string, driver: string | DriverBinding | undefined): DriverBinding {
  const { device, to } = plan(address, driver);
  const { bdf } = device;
  if (device.driver === to) return new DriverBinding(bdf, to);
  const claim = mayWait(device, to) ? claimGroup(device) : NO_CLAIM;
  return new DriverBinding(bdf, runSteps(changeDriver(bdf, to, claim)));
}

/**
 * As {@link bindDriver}, but the event loop goes on: what may wait in the kernel is done in a thread of Node's pool.
 * @param options `timeoutMs`: how long to wait until other processes have closed the device. Default 0: not at all.
 * `signal` ends that wait; once the device changes hands, it does so to the end.
 * @returns as {@link bindDriver}. The promise rejects with its errors, or with the signal's reason: then nothing was changed.
 * @example
 * ```ts
 * // needs a device, and root
 * import { bindDriverAsync } from "@vfio/vfio-core";
 *
 * await using binding = await bindDriverAsync("0000:03:00.0", "vfio-pci", { timeoutMs: 5000 });
 * console.log(`${binding.bdf} came from ${binding.former ?? "no driver"}`);
 * ```
 */
export async function bindDriverAsync(
  address: string,
  driver: string | DriverBinding | undefined,
  options: WaitLimits = {},
): Promise<DriverBinding> {
  checkOptions("the options of bindDriverAsync()", options);
  const { device, to } = plan(address, driver);
  const { bdf } = device;
  checkWaitLimits(options);
  if (device.driver === to) return new DriverBinding(bdf, to);
  const claim = mayWait(device, to) ? await claimGroupAsync(device, options) : NO_CLAIM;
  return new DriverBinding(bdf, await runStepsAsync(changeDriver(bdf, to, claim)));
}

const NO_CLAIM: Disposable = { [Symbol.dispose]: () => undefined };

/**
 * Taking an open device from VFIO waits; and where a neighbour in the group is open, a driver that does DMA must not get
 * a device of it (the kernel refuses since Linux 6.0, and before had a BUG_ON).
 */
function mayWait({ driver }: PciDeviceInfo, to: string | undefined): boolean {
  return isVfioDriver(driver) || (to !== undefined && !leavesDmaToUser(to));
}

function plan(address: string, wanted: unknown): { device: PciDeviceInfo; to: string | undefined } {
  const to = wanted instanceof DriverBinding ? wanted.former : wanted;
  if (to !== undefined && !isDriverName(to))
    throw argumentError("the driver", "a driver's name, or undefined for none", to);
  const device = describePciDevice(address);
  // Before the device is taken from its driver. Its module may be built in or loaded, the kernel loads none here.
  if (to !== undefined && to !== device.driver && !exists(`/sys/bus/pci/drivers/${to}`))
    throw noDriverError(device.bdf, to);
  return { device, to };
}

function isDriverName(name: unknown): name is string {
  return typeof name === "string" && /^(?!\.{1,2}$)[^/\0\n]+$/.test(name);
}

function noDriverError(bdf: string, driver: string): VfioError {
  return new VfioError(
    "ERR_VFIO_BIND_FAILED",
    `${bdf} cannot be given to ${driver}: the kernel has no PCI driver of that name`,
    { hint: `Load it: modprobe ${driver}` },
  );
}

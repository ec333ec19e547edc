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

/** A device at another driver. Dispose of it, after closing the device and its group, to give the device back. */
export class DriverBinding implements Disposable, AsyncDisposable {
  static {
    printAs(DriverBinding, (it) => ({ bdf: it.bdf, former: it.former, restored: it.#restored }));
  }

  readonly bdf: string;
  /** The driver before; `undefined` for none. */
  readonly former: string | undefined;
  #restoring: Promise<void> | undefined;
  #restored = false;

  /** Programs call {@link bindDriver}. */
  constructor(bdf: string, former: string | undefined) {
    this.bdf = bdf;
    this.former = former;
  }

  /**
   * Gives the device back to its former driver, as {@link bindDriver} and with its errors. Restoring twice does
   * nothing.
   */
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

  [Symbol.dispose](): void {
    this.restore();
  }

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
 * Works through `driver_override`, which is restored afterwards, so no other device of the same kind is touched. The
 * former driver's unbind stops all users of the device. **Blocks**: drivers may take seconds to release or to take a
 * device; {@link bindDriverAsync} does not.
 *
 * A device that is open through VFIO is refused, since the kernel would wait until it is closed.
 * @param driver the driver's name in `/sys/bus/pci/drivers`, or this function's result, to give the device back.
 * @returns dispose of it, or call its `restore()`, to give the device back. After a failure it has been given back.
 * @throws VfioError `ERR_VFIO_DEVICE_IN_USE` if this or another process has the device's group open;
 * `ERR_VFIO_BIND_FAILED` if there is no such driver, or it refused the device; VfioSystemError without the rights;
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
 * As {@link bindDriver}, off the event loop.
 * @param options `timeoutMs`: the longest wait for other processes to close the device. Default 0: none. `signal` ends
 * that wait, but no change that has begun.
 * @returns as {@link bindDriver}. The promise rejects with its errors, or with the signal's reason: then nothing has
 * changed.
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
 * Taking an open device from VFIO waits; and while a neighbour in the group is open, no device of the group may go to a
 * driver that does DMA (the kernel refuses since Linux 6.0, and had a BUG_ON before).
 */
function mayWait({ driver }: PciDeviceInfo, to: string | undefined): boolean {
  return isVfioDriver(driver) || (to !== undefined && !leavesDmaToUser(to));
}

function plan(address: string, wanted: unknown): { device: PciDeviceInfo; to: string | undefined } {
  const to = wanted instanceof DriverBinding ? wanted.former : wanted;
  if (to !== undefined && !isDriverName(to))
    throw argumentError("the driver", "a driver's name, or undefined for none", to);
  const device = describePciDevice(address);
  // Before the device is taken from its driver. The driver's module may be built in or loaded; the kernel loads none
  // here.
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

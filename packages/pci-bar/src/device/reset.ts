import { errnoOf, VfioError, type DeviceCalls, type IoctlContext } from "@vfio/ioctl-native";
import { checkWaitLimits, undo } from "@vfio/ioctl-native/internal";
import { isCommandSet, setCommand } from "../config-space/command.js";
import type { CommandFlag } from "../config/command-status.js";
import { checkNothingMapped } from "../regions/address-space.js";
import type { ConfigSpace } from "../config-space/config-space.js";
import type { Interrupts } from "../interrupts/interrupts.js";
import type { OpenRegion } from "../regions/open-region.js";
import { bringToD0 } from "./power-state.js";
import { checkPresent } from "./presence.js";

/** What comes back after a reset. The device's own registers have their reset values in any case. */
export interface ResetOptions {
  /** Memory and I/O space are enabled if they were. Default true; with false they are off, and nothing may be mapped. */
  readonly restoreMemorySpace?: boolean;
  /** Bus mastering is on if it was. Default true; with false it is off, and the device starts no DMA. */
  readonly restoreBusMaster?: boolean;
  /** Enabled interrupts are enabled again. Default true; with false they are as after `interrupts.disable()`. */
  readonly restoreInterrupts?: boolean;
}

/** As {@link ResetOptions}, for a reset off the event loop. */
export interface ResetAsyncOptions extends ResetOptions {
  /** If it is aborted by now, nothing is reset. A reset that has begun goes on to its end. */
  readonly signal?: AbortSignal | undefined;
}

export interface ResetTarget {
  readonly device: DeviceCalls;
  readonly config: ConfigSpace;
  readonly interrupts: Interrupts | undefined;
  readonly regions: readonly OpenRegion[];
}

/** True if the device can be reset alone (`VFIO_DEVICE_FLAGS_RESET`). */
export function canReset(device: DeviceCalls): boolean {
  return device.info(() => ({ what: `cannot read the device info of ${device.name}` })).canReset;
}

export interface ResetCall {
  readonly run: () => void;
  readonly runAsync: () => Promise<void>;
}

/**
 * Makes ready to reset one function (`VFIO_DEVICE_RESET`: FLR, power management, slot or bus, as the kernel chooses).
 * @throws VfioError `ERR_VFIO_NO_RESET`.
 */
export function planReset(device: DeviceCalls): ResetCall {
  if (!canReset(device)) throw noResetError(device);
  const context = (errno: number): IoctlContext => ({
    what: `cannot reset ${device.name}`,
    hint: errno === errnoOf("EAGAIN") ? "The kernel is busy with the device: try again" : undefined,
  });
  return {
    run: () => device.reset(context),
    runAsync: async () => (device.resetAsync ? device.resetAsync(context) : device.reset(context)),
  };
}

/**
 * Resets, and brings back what was asked for. The kernel's own reset keeps the command register and the triggers of
 * interrupts (Linux 6.12); other ways to reset do not, so nothing here relies on it: interrupts are disabled before
 * and enabled anew.
 */
export function resetKeeping(target: ResetTarget, options: ResetOptions, reset: ResetCall): void {
  const after = prepare(target, options);
  try {
    reset.run();
  } catch (error) {
    after.failed(error);
  }
  after.done();
}

/** As {@link resetKeeping}; the reset itself is done off the event loop. */
export async function resetKeepingAsync(
  target: ResetTarget,
  options: ResetAsyncOptions,
  reset: ResetCall,
): Promise<void> {
  checkWaitLimits({ signal: options.signal });
  const after = prepare(target, options);
  try {
    await reset.runAsync();
  } catch (error) {
    after.failed(error);
  }
  after.done();
}

/** Does what comes before a reset. What comes after it depends on how it went. */
function prepare(target: ResetTarget, options: ResetOptions) {
  const { config, interrupts } = target;
  const name = target.device.name;
  checkPresent(config, name);
  if (options.restoreMemorySpace === false) checkNothingMapped(target.regions, name);
  const wanted = wantedBits(config, options);
  const enabled = interrupts?.enabled === true;
  interrupts?.disable();
  // They may have been closed meanwhile, if the event loop went on.
  const enable = (): void => {
    if (enabled && target.interrupts === interrupts) interrupts.enable();
  };
  return {
    failed: (error: unknown): never => undo(error, [enable]),
    done: (): void => {
      checkPresent(config, name);
      bringToD0(config, name);
      for (const [flag, on] of wanted)
        if (isCommandSet(config, flag) !== on) setCommand(config, flag, on, name);
      if (options.restoreInterrupts !== false) enable();
    },
  };
}

function wantedBits(config: ConfigSpace, options: ResetOptions): [flag: CommandFlag, on: boolean][] {
  const { restoreMemorySpace = true, restoreBusMaster = true } = options;
  return [
    ["busMaster", restoreBusMaster && isCommandSet(config, "busMaster")],
    ["ioSpace", restoreMemorySpace && isCommandSet(config, "ioSpace")],
    ["memorySpace", restoreMemorySpace && isCommandSet(config, "memorySpace")],
  ];
}

function noResetError(device: DeviceCalls): VfioError {
  return new VfioError("ERR_VFIO_NO_RESET", `${device.name} cannot be reset alone`, {
    hint: "Reinitialise its registers, or reset all devices on its bus: pci.hotReset(groups)",
  });
}

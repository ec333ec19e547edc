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

/** What a reset restores. The device's own registers have their reset values in any case. */
export interface ResetOptions {
  /**
   * Enable memory and I/O space again if they were enabled. Default true; with false they are off, and nothing may be
   * mapped.
   */
  readonly restoreMemorySpace?: boolean;
  /** Switch bus mastering on again if it was on. Default true; with false the device starts no DMA. */
  readonly restoreBusMaster?: boolean;
  /**
   * Enable interrupts again if they were enabled. Default true; with false they are as after `interrupts.disable()`.
   */
  readonly restoreInterrupts?: boolean;
}

/** {@link ResetOptions} for a reset off the event loop. */
export interface ResetAsyncOptions extends ResetOptions {
  /** Aborted before the reset begins, it prevents it. A reset that has begun goes on. */
  readonly signal?: AbortSignal | undefined;
}

export interface ResetTarget {
  readonly device: DeviceCalls;
  readonly config: ConfigSpace;
  readonly interrupts: Interrupts | undefined;
  readonly regions: readonly OpenRegion[];
}

/** Whether the device can be reset alone (`VFIO_DEVICE_FLAGS_RESET`). */
export function canReset(device: DeviceCalls): boolean {
  return device.info(() => ({ what: `cannot read the device info of ${device.name}` })).canReset;
}

export interface ResetCall {
  readonly run: () => void;
  readonly runAsync: () => Promise<void>;
}

/**
 * Prepares a reset of one function (`VFIO_DEVICE_RESET`: FLR, power management, slot or bus, as the kernel chooses).
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
 * Resets, and restores what the options say. The kernel's own reset keeps the command register and the triggers of
 * interrupts (Linux 6.12); other ways to reset do not, so interrupts are disabled before and enabled afterwards.
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

/** Does the work before a reset. @returns the work after it. */
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

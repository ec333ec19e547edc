import { VfioError } from "@vfio/ioctl-native";
import { listCapabilities } from "../config/capability-list.js";
import type { ConfigSpace } from "../config-space/config-space.js";
import { checkPresent } from "./presence.js";

const CAPABILITY_ID_PM = 0x01;
const CONTROL = 4;
const STATE_BITS = 0b11;
/** Writing 1 would acknowledge a wake-up event. */
const PME_STATUS = 1 << 15;

/** In all states but D0 a device answers at its config space only. */
export type PowerState = "D0" | "D1" | "D2" | "D3hot";

const STATES = ["D0", "D1", "D2", "D3hot"] as const;

/**
 * The power state (PCI Power Management 1.2, section 3.2.4); D0 for a device without others.
 * @throws VfioError `ERR_VFIO_DEVICE_GONE`: a device that does not answer has none.
 */
export function readPowerState(config: ConfigSpace, name: string): PowerState {
  checkPresent(config, name);
  const control = findControl(config);
  return control === undefined ? "D0" : STATES[(config.read16(control) & STATE_BITS) as 0 | 1 | 2 | 3];
}

/**
 * Brings a device to D0. vfio-pci does so at the write of the register, and waits as long as PCI demands (10 ms from
 * D3hot).
 * @throws VfioError `ERR_VFIO_POWER_STATE` if the device stays in another state; `ERR_VFIO_DEVICE_GONE`.
 */
export function bringToD0(config: ConfigSpace, name: string): void {
  if (readPowerState(config, name) === "D0") return;
  const control = findControl(config);
  if (control === undefined) return;
  config.write16(control, config.read16(control) & ~(STATE_BITS | PME_STATUS));
  const state = readPowerState(config, name);
  if (state === "D0") return;
  throw new VfioError("ERR_VFIO_POWER_STATE", `${name} stays in power state ${state}`, {
    hint: "Its slot may have no power; dmesg may have the reason",
  });
}

export function putsIntoD3hot(config: ConfigSpace, offset: number, value: number): boolean {
  return (value & STATE_BITS) === STATES.indexOf("D3hot") && offset === findControl(config);
}

/** True if a write to the config space, an aligned one, puts the device into another power state. */
export function changesPowerState(config: ConfigSpace, offset: number, value: number): boolean {
  return offset === findControl(config) && ((config.read16(offset) ^ value) & STATE_BITS) !== 0;
}

function findControl(config: ConfigSpace): number | undefined {
  const capability = listCapabilities(config).find(({ id }) => id === CAPABILITY_ID_PM);
  return capability === undefined ? undefined : capability.offset + CONTROL;
}

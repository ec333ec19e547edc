import { checkObject } from "../errors/argument-error.js";
import { check, errnoOf } from "../errors/errors.js";
import type { HasFd } from "../files/fd.js";
import { ioctl, ioctlAsync, tryIoctl } from "../kernel/ioctl.js";
import type { ContextOfErrno } from "./ask.js";
import { VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, VFIO_DEVICE_PCI_HOT_RESET } from "./ioctls.js";
import {
  vfio_pci_dependent_device as DEVICE,
  vfio_pci_hot_reset as RESET,
  vfio_pci_hot_reset_info as INFO,
} from "./structs.js";

const MOST_DEVICES = 256;

/** A device that a hot reset reaches. */
export interface HotResetDevice {
  readonly bdf: string;
  readonly group: number;
}

/** The reach of a hot reset (`VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`). */
export interface HotResetInfo {
  /** `VFIO_PCI_HOT_RESET_FLAG_…`. */
  readonly flags: number;
  /** Every device on the same slot or bus, the asked one included. */
  readonly devices: HotResetDevice[];
}

/** Asks which devices a hot reset reaches (`VFIO_DEVICE_GET_PCI_HOT_RESET_INFO`). ENODEV: nothing to reset. */
export function getHotResetInfo(device: HasFd, context: ContextOfErrno): HotResetInfo {
  let answer = INFO.encode();
  let result = tryIoctl(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, answer);
  // Another device may come between two questions.
  for (let room = 0; result === errnoOf("ENOSPC") && room < MOST_DEVICES;) {
    room = Math.max(room + 1, INFO.decode(answer).count);
    answer = INFO.encode({}, INFO.bytes + room * DEVICE.bytes);
    result = tryIoctl(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, answer);
  }
  const { name } = VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
  check(result, () => ({ syscall: "ioctl", ioctl: name, ...context(result) }));
  const { flags, count } = INFO.decode(answer);
  const devices = Array.from({ length: count }, (_, index) =>
    decode(answer, INFO.bytes + index * DEVICE.bytes),
  );
  return { flags, devices };
}

function decode(answer: Uint8Array, offset: number): HotResetDevice {
  const { group_id, segment, bus, devfn } = DEVICE.decode(answer, offset);
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return { bdf: `${hex(segment, 4)}:${hex(bus, 2)}:${hex(devfn >> 3, 2)}.${devfn & 7}`, group: group_id };
}

/**
 * Resets everything on a device's slot or bus (`VFIO_DEVICE_PCI_HOT_RESET`). **Blocks**, up to seconds.
 * @param groups fds of all groups there, each once.
 */
export function hotResetDevice(device: HasFd, groups: readonly number[], context?: ContextOfErrno): void {
  ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, encode(groups), context);
}

/** As {@link hotResetDevice}, off the event loop. */
export async function hotResetDeviceAsync(
  device: HasFd,
  groups: readonly number[],
  context?: ContextOfErrno,
): Promise<void> {
  await ioctlAsync(device, VFIO_DEVICE_PCI_HOT_RESET, encode(groups), context);
}

function encode(groups: readonly number[]): Uint8Array {
  checkObject("the groups of a reset", groups);
  const buffer = RESET.encode({ count: groups.length }, RESET.bytes + groups.length * 4);
  buffer.set(new Uint8Array(new Int32Array(groups).buffer), RESET.bytes);
  return buffer;
}

import { VfioError } from "@vfio/ioctl-native";
import type { ConfigAccess } from "../config-space/config-access.js";

const CLASS_AND_REVISION = 0x08;

/**
 * False if the device does not answer, being unplugged or without power: it then reads as all ones. Not so the vendor
 * id, which vfio-pci answers from memory.
 */
export function isPresent(config: ConfigAccess): boolean {
  return config.read32(CLASS_AND_REVISION) !== 0xffff_ffff;
}

/** @throws VfioError `ERR_VFIO_DEVICE_GONE` if the device does not answer. */
export function checkPresent(config: ConfigAccess, name: string): void {
  if (isPresent(config)) return;
  throw new VfioError("ERR_VFIO_DEVICE_GONE", `${name} does not answer: its config space reads as all ones`, {
    hint: "It was pulled out or lost its power: close its BARs and interrupts, then the device",
  });
}

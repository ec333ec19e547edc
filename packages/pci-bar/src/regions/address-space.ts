import { VfioError } from "@vfio/ioctl-native";
import { vfioConstants } from "@vfio/ioctl-native/vfio";
import { COMMAND_OFFSET, commandMask, isCommandSet } from "../config-space/command.js";
import type { ConfigSpace } from "../config-space/config-space.js";
import type { OpenRegion } from "./open-region.js";
import type { PciRegion } from "./pci-region.js";
import { checkPresent } from "../device/presence.js";
import { putsIntoD3hot, readPowerState } from "../device/power-state.js";

const FIRST_BAR = 0x10;
const IO_SPACE_INDICATOR = 1;
const LAST_BAR = vfioConstants.VFIO_PCI_BAR5_REGION_INDEX;
const ROM = vfioConstants.VFIO_PCI_ROM_REGION_INDEX;

/** The switch that an open region depends on. The config space and VGA's legacy addresses depend on none. */
function spaceOf(index: number, config: ConfigSpace): "memory" | "io" | undefined {
  if (index === ROM) return "memory";
  if (index > LAST_BAR) return undefined;
  // PCI 3.0, section 6.2.5.1: bit 0 of the base address register.
  return (config.read32(FIRST_BAR + index * 4) & IO_SPACE_INDICATOR) === 0 ? "memory" : "io";
}

/**
 * With the space switched off, the first touch of mapped memory is a SIGBUS; I/O ports read as all ones.
 * @throws VfioError `ERR_VFIO_DEVICE_GONE`, `ERR_VFIO_MEMORY_SPACE_DISABLED`, `ERR_VFIO_IO_SPACE_DISABLED`.
 */
export function checkAnswers({ index, name }: PciRegion, config: ConfigSpace, device: string): void {
  checkPresent(config, device);
  const space = spaceOf(index, config);
  if (space === "memory" && readPowerState(config, device) === "D3hot")
    throw disabledError(
      "ERR_VFIO_MEMORY_SPACE_DISABLED",
      `${name}: the device is in power state D3hot, in which its memory does not answer`,
      "pci.bringToD0()",
    );
  if (space === "memory" && !isCommandSet(config, "memorySpace"))
    throw disabledError(
      "ERR_VFIO_MEMORY_SPACE_DISABLED",
      `${name}: the device's memory space is switched off`,
      "pci.memorySpace = true",
    );
  if (space === "io" && !isCommandSet(config, "ioSpace"))
    throw disabledError(
      "ERR_VFIO_IO_SPACE_DISABLED",
      `${name}: the device's I/O space is switched off`,
      "pci.ioSpace = true",
    );
}

function disabledError(code: string, problem: string, remedy: string): VfioError {
  return new VfioError(code, `cannot open ${problem}`, { hint: `Switch it on: ${remedy}` });
}

/**
 * When the memory space is switched off or the device put into D3hot, the kernel removes the pages of mapped BARs, and
 * the next touch is a SIGBUS. So such a write to the config space is refused while something is mapped.
 * @throws VfioError `ERR_VFIO_MEMORY_SPACE_IN_USE`.
 */
export function checkMemoryStays(
  config: ConfigSpace,
  write: { readonly offset: number; readonly value: number },
  regions: readonly OpenRegion[],
  device: string,
): void {
  if (regions.some(isMapped) && switchesMemoryOff(config, write)) checkNothingMapped(regions, device);
}

/** @throws VfioError `ERR_VFIO_MEMORY_SPACE_IN_USE` if one of the regions is mapped. */
export function checkNothingMapped(regions: readonly OpenRegion[], device: string): void {
  const mapped = regions.filter(isMapped).map(({ name }) => name);
  if (mapped.length === 0) return;
  throw new VfioError(
    "ERR_VFIO_MEMORY_SPACE_IN_USE",
    `cannot switch off the memory space of ${device}: still mapped: ${mapped.join(", ")}`,
    { hint: "Close them first: their pages would go away, and accesses would read ones" },
  );
}

function isMapped({ windows }: OpenRegion): boolean {
  return windows.length > 0;
}

function switchesMemoryOff(
  config: ConfigSpace,
  { offset, value }: { offset: number; value: number },
): boolean {
  if (offset === COMMAND_OFFSET)
    return (value & commandMask("memorySpace")) === 0 && isCommandSet(config, "memorySpace");
  return putsIntoD3hot(config, offset, value);
}

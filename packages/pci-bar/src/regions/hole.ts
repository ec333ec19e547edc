import { VfioRangeError } from "@vfio/ioctl-native";
import type { MappableArea } from "@vfio/ioctl-native";

/** The error of an access to what is not mapped, with no other way to reach it: it names what is mapped. */
export function holeError(offset: number, windows: readonly MappableArea[], name: string): VfioRangeError {
  const mapped = windows.map(({ offset: from, bytes }) => `[${hex(from)}, ${hex(from + bytes - 1)}]`);
  return new VfioRangeError(
    "ERR_VFIO_REGION_HOLE",
    `offset ${hex(offset)} of ${name} is not mapped; mapped are ${mapped.join(", ")}`,
    { hint: "open() instead of map() reaches the rest by pread and pwrite" },
  );
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

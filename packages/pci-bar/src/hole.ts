import { VfioRangeError, type RegisterFunctions } from "@vfio/ioctl-native";
import type { BulkAccess, RegionBackend, RegionShape } from "./region-backend.js";
import type { MappableArea } from "./region.js";

/** The backend of what is not mapped: every access is a RangeError `ERR_VFIO_REGION_HOLE` that names the windows. */
export function holeBetween(windows: readonly MappableArea[], { name }: RegionShape): RegionBackend {
  const refuse = (offset: number): never => {
    const mapped = windows.map(({ offset: from, bytes }) => `[${hex(from)}, ${hex(from + bytes - 1)}]`);
    throw new VfioRangeError(
      "ERR_VFIO_REGION_HOLE",
      `offset ${hex(offset)} of ${name} is not mapped; mapped are ${mapped.join(", ")}`,
      { hint: "open() instead of map() reaches the rest by pread and pwrite" },
    );
  };
  const registers: RegisterFunctions = {
    read8: refuse,
    read16: refuse,
    read32: refuse,
    read64: refuse,
    write8: refuse,
    write16: refuse,
    write32: refuse,
    write64: refuse,
  };
  const bulk: BulkAccess = {
    readBlock: refuse,
    writeBlock: refuse,
    readFifo: refuse,
    writeFifo: refuse,
    readHalves: refuse,
    writeHalves: refuse,
    poll: refuse,
  };
  return { registers, bulk };
}

function hex(offset: number): string {
  return `0x${offset.toString(16)}`;
}

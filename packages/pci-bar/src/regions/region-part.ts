import { type RegionWindow } from "@vfio/ioctl-native";
import { registerOffsetError } from "@vfio/ioctl-native/internal";
import { checkSpan } from "./register-array.js";
import type { RegionShape } from "./region-parts.js";
import { notMappedError } from "./windowed-accesses.js";

/**
 * A part of a region, in whichever of its windows has all of it.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET`, `ERR_VFIO_REGION_HOLE`.
 */
export function partOf(
  shape: RegionShape,
  windows: readonly RegionWindow[],
  offset: number,
  bytes: number,
): RegionWindow {
  const { name } = shape;
  const isPart = Number.isSafeInteger(bytes) && bytes > 0 && offset % 8 === 0;
  if (!isPart) throw registerOffsetError({ offset, width: 8, name, bytes: shape.bytes });
  checkSpan(offset, 1, bytes, shape);
  const window = windows.find((each) => {
    return offset >= each.offset && offset + bytes <= each.offset + each.bytes;
  });
  if (window !== undefined) return partOfWindow(window, offset - window.offset, bytes);
  throw notMappedError(offset, windows, name, "A part lies in one of the windows: region.windows");
}

/** As a region's only window. It ends with the whole region's window. */
function partOfWindow(window: RegionWindow, start: number, bytes: number): RegionWindow {
  const { registers, bulk } = window.part(start, bytes);
  return {
    offset: 0,
    bytes,
    registers,
    bulk,
    ...(window.place && { place: { ...window.place, address: window.place.address + start } }),
    isGone: () => window.isGone(),
    part: (offset, length) => window.part(start + offset, length),
    close: () => undefined,
  };
}

import {
  registerOffsetError,
  type BulkAccess,
  type RegionWindow,
  type RegisterAccess,
  type RegisterFunctions,
} from "@vfio/ioctl-native";
import { checkSpan } from "./register-array.js";
import type { RegionShape } from "./region-shape.js";
import { notMappedError } from "./windowed-accesses.js";

/** A part of a window, as a region's only window. It ends with the region that closes that window. */
class PartOfWindow implements RegionWindow {
  readonly offset = 0;
  readonly bytes: number;
  readonly registers: RegisterFunctions;
  readonly bulk: BulkAccess;
  readonly #window: RegionWindow;
  readonly #start: number;

  constructor(window: RegionWindow, start: number, bytes: number) {
    this.bytes = bytes;
    this.#window = window;
    this.#start = start;
    ({ registers: this.registers, bulk: this.bulk } = window.part(start, bytes));
  }

  get gone(): boolean {
    return this.#window.gone;
  }

  part(offset: number, bytes: number): RegisterAccess {
    return this.#window.part(this.#start + offset, bytes);
  }

  close(): void {
    // The window is another region's.
  }
}

/**
 * The part of a region that begins at an offset, in whichever of its windows has all of it.
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
  if (window !== undefined) return new PartOfWindow(window, offset - window.offset, bytes);
  throw notMappedError(offset, windows, name, "A part lies in one of the windows: region.windows");
}

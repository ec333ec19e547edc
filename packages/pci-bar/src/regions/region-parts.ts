import { type Mapping, type RegionWindow } from "@vfio/ioctl-native";
import { argumentError, mappedWindow } from "@vfio/ioctl-native/internal";
import type { RegionAccess, RegionFile, SharedRegionFile } from "./region-access.js";

/** What a region is called and how large it is. */
export interface RegionShape {
  /** For error messages: "BAR0 of 0000:00:10.0". */
  readonly name: string;
  /** Its length. */
  readonly bytes: number;
  /** False for a ROM. */
  readonly writable: boolean;
}

/** A part of a region that is mapped. */
export interface MappedWindow {
  /** Where it begins in the region, in bytes. */
  readonly offset: number;
  /** Its length. */
  readonly bytes: number;
  /**
   * Number of its mapping, for `Mapping.fromHandle` of `@vfio/ioctl-native` in another thread; none for what no other
   * thread reaches: memory of this one, an emulated device, a {@link OpenRegion.part}.
   */
  readonly handle?: number;
}

/** A mapping of a part of a region. */
export interface MappingWindow {
  /** Where it begins in the region, in bytes. */
  readonly offset: number;
  /** The mapping. */
  readonly mapping: Mapping;
}

/** What an open region is made of. */
export interface RegionParts extends RegionShape {
  /** 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA. */
  readonly index: number;
  /** What is mapped of it, in order. */
  readonly windows: readonly (MappingWindow | RegionWindow)[];
  /** How to reach the rest; without it, the rest is out of reach. */
  readonly file?: RegionFile | RegionAccess | undefined;
  /** Given back after the mappings. */
  readonly hold?: Disposable | undefined;
}

/** An open region as plain data, for `postMessage` to another thread of this process. */
export interface SharedRegion extends RegionShape {
  /** As {@link RegionParts.index}. */
  readonly index: number;
  /** What is mapped of it. */
  readonly windows: readonly Required<MappedWindow>[];
  /** How the rest is reached, if there is any. */
  readonly file: SharedRegionFile | undefined;
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for what is no region's parts. */
export function checkWindows(what: string, value: unknown): void {
  const isObject = typeof value === "object" && value !== null;
  if (isObject && "windows" in value && Array.isArray(value.windows)) return;
  throw argumentError(what, "an object with the region's windows", value);
}

/** A window that answers by itself. */
export function windowOf(window: MappingWindow | RegionWindow): RegionWindow {
  return "mapping" in window ? mappedWindow(window.offset, window.mapping) : window;
}

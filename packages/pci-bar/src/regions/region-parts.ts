import { type LinearPlace, type Mapping, type RegionWindow } from "@vfio/ioctl-native";
import { argumentError, mappedWindow } from "@vfio/ioctl-native/internal";
import type { RegionAccess, RegionFile, SharedRegionFile } from "./region-access.js";

/** A region's name and size. */
export interface RegionShape {
  /** For error messages: "BAR0 of 0000:00:10.0". */
  readonly name: string;
  readonly bytes: number;
  /** False for a ROM. */
  readonly writable: boolean;
}

/** A mapped part of a region. */
export interface MappedWindow {
  /** In the region, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  /**
   * The mapping's number, for `Mapping.fromHandle` of `@vfio/ioctl-native` in another thread. Plain memory, emulated
   * devices and an {@link OpenRegion.part} have none.
   */
  readonly handle?: number;
  /** Where it begins in the `LinearMemory` that the region was opened `within`: for compiled code. */
  readonly place?: LinearPlace;
}

/** A mapping of a part of a region. */
export interface MappingWindow {
  /** In the region, in bytes. */
  readonly offset: number;
  readonly mapping: Mapping;
}

/** The parts of an open region. */
export interface RegionParts extends RegionShape {
  /** 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA. */
  readonly index: number;
  readonly windows: readonly (MappingWindow | RegionWindow)[];
  /** Access to the rest; without it, the rest is out of reach. */
  readonly file?: RegionFile | RegionAccess | undefined;
  /** Disposed of after the mappings. */
  readonly hold?: Disposable | undefined;
}

/** An open region as plain data, for `postMessage` to another thread of this process. */
export interface SharedRegion extends RegionShape {
  readonly index: number;
  readonly windows: readonly Required<Omit<MappedWindow, "place">>[];
  readonly file: SharedRegionFile | undefined;
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for what is no region's parts. */
export function checkWindows(what: string, value: unknown): void {
  const isObject = typeof value === "object" && value !== null;
  if (isObject && "windows" in value && Array.isArray(value.windows)) return;
  throw argumentError(what, "an object with the region's windows", value);
}

export function windowOf(window: MappingWindow | RegionWindow): RegionWindow {
  return "mapping" in window ? mappedWindow(window.offset, window.mapping) : window;
}

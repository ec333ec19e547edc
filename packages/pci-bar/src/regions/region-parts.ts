import { argumentError, type Mapping } from "@vfio/ioctl-native";
import { FileBackend } from "./file-backend.js";
import type { SharedFileData } from "./shared-file.js";
import {
  mappedBackend,
  type MappedWindow,
  type RegionBackend,
  type RegionFile,
  type RegionShape,
} from "./region-backend.js";
import { WindowedBackend } from "./windowed-backend.js";

/** A mapping of a part of a region. */
export interface MappingWindow {
  /** Where it begins in the region, in bytes. */
  readonly offset: number;
  /** The mapping. */
  readonly mapping: Mapping;
}

/** Where a region lies in its device's file, as plain data. */
export interface SharedRegionFile extends SharedFileData {
  /** The offset that the kernel gave. */
  readonly offset: number;
}

/** What an open region is made of. */
export interface RegionParts extends RegionShape {
  /** 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA. */
  readonly index: number;
  /** What is mapped of it, in order. */
  readonly windows: readonly MappingWindow[];
  /** Where to reach the rest by `pread` and `pwrite`; without it, the rest is out of reach. */
  readonly file?: RegionFile | undefined;
  /** Given back after the mappings. */
  readonly hold?: Disposable | undefined;
}

/** An open region as plain data, for `postMessage` to another thread of this process. */
export interface SharedRegion extends RegionShape {
  /** As {@link RegionParts.index}. */
  readonly index: number;
  /** What is mapped of it. */
  readonly windows: readonly MappedWindow[];
  /** How the rest is reached, if there is any. */
  readonly file: SharedRegionFile | undefined;
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` for what is no region's parts. */
export function checkWindows(what: string, value: unknown): void {
  const isObject = typeof value === "object" && value !== null;
  if (isObject && "windows" in value && Array.isArray(value.windows)) return;
  throw argumentError(what, "an object with the region's windows", value);
}

/** True if all of the region is mapped at once: then its file is not needed. */
export function isInOnePiece({ windows: [first], bytes }: RegionParts): boolean {
  return first?.mapping.bytes === bytes;
}

/** A region in one piece is reached without anything between; otherwise windows are looked up. */
export function backendOf(parts: RegionParts, checkOpen: () => void): RegionBackend {
  const windows = parts.windows.map(({ offset, mapping }) => {
    return { offset, bytes: mapping.bytes, ...mappedBackend(mapping) };
  });
  const [first] = windows;
  if (first !== undefined && isInOnePiece(parts)) return first;
  const rest = parts.file && new FileBackend(parts, parts.file, checkOpen);
  return first === undefined && rest !== undefined ? rest : new WindowedBackend(parts, windows, rest);
}

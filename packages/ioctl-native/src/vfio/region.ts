import { types } from "node:util";
import { argumentError } from "../errors/argument-error.js";
import type { HasFd } from "../files/fd.js";
import { decodeArray, walkCapabilities, type InfoCapability } from "../structs/capability-chain.js";
import type { ContextOfErrno } from "./ask.js";
import {
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  VFIO_REGION_INFO_CAP_SPARSE_MMAP,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
} from "./constants.js";
import { VFIO_DEVICE_GET_REGION_INFO } from "./ioctls.js";
import { queryInfo } from "./query.js";
import {
  vfio_region_info,
  vfio_region_info_cap_sparse_mmap as header,
  vfio_region_sparse_mmap_area as area,
} from "./structs.js";

/** A part of a region that may be mapped (`VFIO_REGION_INFO_CAP_SPARSE_MMAP`). */
export interface MappableArea {
  /** In the region, in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

/** A region of a device, such as a BAR: the answer of `VFIO_DEVICE_GET_REGION_INFO`. */
export interface RegionInfo {
  /** 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA. */
  readonly index: number;
  /** 0 for a region the device does not have. */
  readonly bytes: number;
  /** In the device's file. The kernel's number, never computed. */
  readonly fileOffset: number;
  /** With `pread` at {@link fileOffset}. */
  readonly readable: boolean;
  /** With `pwrite` at {@link fileOffset}. */
  readonly writable: boolean;
  /** With `mmap`, as a whole or in its sparse areas. */
  readonly mappable: boolean;
  readonly msixMappable: boolean;
  /** The only mappable parts, or `undefined` if the whole region is mappable. */
  readonly sparseAreas: readonly MappableArea[] | undefined;
}

const NAMES = ["BAR0", "BAR1", "BAR2", "BAR3", "BAR4", "BAR5", "the ROM", "the config space", "VGA"];

/** A region's name in messages: "BAR0 of 0000:00:10.0". */
export function regionName(index: number, device: string): string {
  return `${NAMES[index] ?? `region ${index}`} of ${device}`;
}

/** `VFIO_DEVICE_GET_REGION_INFO`. */
export function getRegionInfo(device: HasFd, index: number, context: ContextOfErrno): RegionInfo {
  return decodeRegionInfo(queryInfo(device, VFIO_DEVICE_GET_REGION_INFO, { index }, context));
}

/**
 * Decodes an answer of `VFIO_DEVICE_GET_REGION_INFO`.
 * @throws VfioError `ERR_VFIO_BAD_CAPABILITY_CHAIN`; VfioRangeError `ERR_VFIO_STRUCT_BOUNDS`, `ERR_VFIO_ARGUMENT`.
 */
export function decodeRegionInfo(answer: Uint8Array): RegionInfo {
  if (!types.isUint8Array(answer)) throw argumentError("the region info", "a Uint8Array", answer);
  const { index, flags, size, offset, cap_offset } = vfio_region_info.decode(answer);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const chain = has(VFIO_REGION_INFO_FLAG_CAPS) ? walkCapabilities(answer, cap_offset) : [];
  return {
    index,
    bytes: Number(size),
    fileOffset: Number(offset),
    readable: has(VFIO_REGION_INFO_FLAG_READ),
    writable: has(VFIO_REGION_INFO_FLAG_WRITE),
    mappable: has(VFIO_REGION_INFO_FLAG_MMAP),
    msixMappable: chain.some(({ id }) => id === VFIO_REGION_INFO_CAP_MSIX_MAPPABLE),
    sparseAreas: decodeSparseAreas(answer, chain),
  };
}

function decodeSparseAreas(answer: Uint8Array, chain: readonly InfoCapability[]): MappableArea[] | undefined {
  const sparse = chain.find(({ id }) => id === VFIO_REGION_INFO_CAP_SPARSE_MMAP);
  if (sparse === undefined) return undefined;
  const areas = decodeArray(answer, sparse.offset, header, "nr_areas", area);
  return areas.map(({ offset, size }) => ({ offset: Number(offset), bytes: Number(size) }));
}

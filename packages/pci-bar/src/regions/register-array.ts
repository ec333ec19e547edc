import { types } from "node:util";
import { type RegisterArray } from "@vfio/ioctl-native";
import { bulkArgumentError, registerOffsetError } from "@vfio/ioctl-native/internal";
import type { RegionShape } from "./region-parts.js";

/** Asked of the value, not of this realm's classes: a test runner's arrays are another realm's. */
const KINDS = [types.isUint8Array, types.isUint16Array, types.isUint32Array, types.isBigUint64Array];

/** An access that is to be checked: one register, or many. Offset and width are in bytes. */
export interface RegisterSpan {
  /** Of the first register. */
  readonly offset: number;
  /** Of each register. */
  readonly width: number;
  /** How many neighbours. */
  readonly count: number;
}

/** @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` for what is not in the region, or not aligned to the width. */
export function checkSpan(offset: number, width: number, count: number, { name, bytes }: RegionShape): void {
  const isAligned = Number.isInteger(offset) && offset >= 0 && offset % width === 0;
  if (isAligned && offset + count * width <= bytes) return;
  throw registerOffsetError({ offset, width, count, name, bytes });
}

/**
 * What a block takes up: as many registers as elements, or one for a FIFO.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_VALUE` if it is no array of registers; `ERR_VFIO_REGISTER_OFFSET`.
 */
export function checkBlock(
  offset: number,
  block: RegisterArray,
  isFifo: boolean,
  shape: RegionShape,
): RegisterSpan {
  if (!isRegisterArray(block)) throw bulkArgumentError(shape.name);
  const count = isFifo ? 1 : block.length;
  checkSpan(offset, block.BYTES_PER_ELEMENT, count, shape);
  return { offset, width: block.BYTES_PER_ELEMENT, count };
}

function isRegisterArray(block: unknown): boolean {
  return KINDS.some((isKind) => isKind(block));
}

import { types } from "node:util";
import { type RegisterArray } from "@vfio/ioctl-native";
import { bulkArgumentError, registerOffsetError } from "@vfio/ioctl-native/internal";
import type { RegionShape } from "./region-parts.js";

/** By the value's type, not by this realm's classes: a test runner's arrays are of another realm. */
const KINDS = [types.isUint8Array, types.isUint16Array, types.isUint32Array, types.isBigUint64Array];

export interface RegisterSpan {
  /** Of the first register, in bytes. */
  readonly offset: number;
  /** Of each register, in bytes. */
  readonly width: number;
  readonly count: number;
}

/** @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` for what is not in the region, or not aligned to the width. */
export function checkSpan(offset: number, width: number, count: number, { name, bytes }: RegionShape): void {
  const isAligned = Number.isInteger(offset) && offset >= 0 && offset % width === 0;
  if (isAligned && offset + count * width <= bytes) return;
  throw registerOffsetError({ offset, width, count, name, bytes });
}

/**
 * The registers of a block: one for each element, or a single one for a FIFO.
 * @throws VfioRangeError `ERR_VFIO_REGISTER_VALUE` for any other array; `ERR_VFIO_REGISTER_OFFSET`.
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

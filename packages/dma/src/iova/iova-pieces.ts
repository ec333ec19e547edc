import type { DmaSegment } from "./dma-segment.js";

/** No granule is larger, so that offsets below 2 GiB can be shifted as 32-bit integers. */
const LARGEST_GRANULE = 1n << 30n;
/** So many granules at most, however small the pieces of a large memory are: 4 MiB for a table. */
const MOST_GRANULES = 1 << 18;

/** A part of a memory within which the upper half of the device's address stays the same. */
export interface IovaPiece extends DmaSegment {
  /** Where the stretch that it is a part of ends in the memory. */
  readonly end: number;
}

/** A memory's stretches, cut where the device's address crosses 4 GiB: within a piece the halves have no carry. */
export function piecesOf(stretches: readonly DmaSegment[]): IovaPiece[] {
  return stretches.flatMap(cutAtBorders);
}

/** The largest power of two that divides where the pieces start and end; larger if the granules would be too many. */
export function granuleOf(pieces: readonly IovaPiece[]): number {
  let bits = LARGEST_GRANULE;
  for (const { offset, bytes } of pieces) bits |= BigInt(offset) | BigInt(bytes);
  const enough = 2 ** Math.ceil(Math.log2((pieces.at(-1)?.end ?? 0) / MOST_GRANULES));
  return Math.min(Math.max(Number(bits & -bits), enough), Number(LARGEST_GRANULE));
}

function cutAtBorders({ offset, iova, bytes }: DmaSegment): IovaPiece[] {
  const end = offset + bytes;
  const pieces: IovaPiece[] = [];
  for (let at = offset, address = iova; at < end;) {
    const toBorder = 2 ** 32 - Number(address & 0xffff_ffffn);
    const length = Math.min(toBorder, end - at);
    pieces.push({ offset: at, iova: address, bytes: length, end });
    at += length;
    address += BigInt(length);
  }
  return pieces;
}

import { bigIntOf } from "./words64.js";

/** A part of a memory, and its device address. */
export interface Extent {
  /** In the memory, in bytes. */
  readonly offset: number;
  readonly iova: bigint;
  readonly bytes: number;
}

/** The part of an extent from `from` up to `to`, both in the memory; the two must overlap. */
export function clip({ offset, iova, bytes }: Extent, from: number, to: number): Extent {
  const start = Math.max(offset, from);
  return {
    offset: start,
    iova: iova + bigIntOf(start - offset),
    bytes: Math.min(offset + bytes, to) - start,
  };
}

export function sameExtent(one: Extent, other: Extent | undefined): boolean {
  return one.offset === other?.offset && one.iova === other.iova && one.bytes === other.bytes;
}

/** Joins extents that are adjacent in the memory and in device addresses. */
export function joinAdjacent(extents: readonly Extent[]): Extent[] {
  const all: Extent[] = [];
  let bytes = 0;
  extents.forEach((extent, at) => {
    const next = extents[at + 1];
    bytes += extent.bytes;
    if (next !== undefined && follows(extent, next)) return;
    const before = bytes - extent.bytes;
    all.push({ offset: extent.offset - before, iova: extent.iova - BigInt(before), bytes });
    bytes = 0;
  });
  return all;
}

function follows(one: Extent, next: Extent): boolean {
  return one.offset + one.bytes === next.offset && one.iova + BigInt(one.bytes) === next.iova;
}

/** The pages of a memory, given by address in order, as extents: adjacent pages are joined. */
export function extentsOfPages(addresses: readonly bigint[], pageBytes: number): Extent[] {
  const page = bigIntOf(pageBytes);
  const extents: Extent[] = [];
  let first = 0;
  for (let index = 0; index < addresses.length; index++) {
    if (addresses[index + 1] === (addresses[index] ?? 0n) + page) continue;
    const bytes = (index + 1 - first) * pageBytes;
    extents.push({ offset: first * pageBytes, iova: addresses[first] ?? 0n, bytes });
    first = index + 1;
  }
  return extents;
}

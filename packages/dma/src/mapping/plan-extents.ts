import { VfioRangeError, type Extent, type MappableMemory } from "@vfio/ioctl-native";
import { clip, extentsOfPages, shownValue } from "@vfio/ioctl-native/internal";
import { isCount } from "../arguments.js";
import type { MappingPlan } from "./mapping-plan.js";

/** One extent from this IOVA on, or each page at its physical address. */
export type IovaSource = bigint | "physical";

export type Part = Pick<Extent, "offset" | "bytes">;

/** The fewest pieces in which a memory can be mapped. */
export function planExtents(memory: MappableMemory, source: IovaSource): Extent[] {
  if (source !== "physical") return [{ offset: 0, iova: source, bytes: memory.bytes }];
  return extentsOfPages(memory.physicalAddresses(), memory.pageBytes);
}

export function piecesOf(extent: Extent, { pieceBytes }: MappingPlan): Extent[] {
  if (pieceBytes === undefined) return [extent];
  const { offset, bytes } = extent;
  const pieces: Extent[] = [];
  for (let at = offset; at < offset + bytes; at += pieceBytes) pieces.push(clip(extent, at, at + pieceBytes));
  return pieces;
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`. */
export function checkPiece(pieceBytes: number, pageBytes: number): void {
  if (isCount(pieceBytes) && pieceBytes % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `pieces of ${shownValue(pieceBytes)} bytes cannot be mapped: they must be multiples of the memory's page size, ${pageBytes}`,
  );
}

/**
 * The extents that make up a part of a memory, exactly.
 * @param touched the extents that overlap the part.
 * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP` if the part begins or ends within a piece.
 */
export function wholePieces(touched: readonly Extent[], plan: MappingPlan, part: Part): Extent[] {
  const end = part.offset + part.bytes;
  const inside = touched.map((each) => clip(each, part.offset, end));
  const covered = inside.reduce((sum, each) => sum + each.bytes, 0);
  const isWhole = touched.every((each) => isCut(each, part.offset, plan) && isCut(each, end, plan));
  if (covered === part.bytes && covered > 0 && isWhole) return inside;
  const pieces = touched
    .flatMap((each) => piecesOf(each, plan))
    .filter((each) => each.offset < end && each.offset + each.bytes > part.offset)
    .slice(0, 4)
    .map((each) => `${each.offset}+${each.bytes}`);
  throw new VfioRangeError(
    "ERR_VFIO_PARTIAL_UNMAP",
    `${shownValue(part.bytes)} bytes at offset ${shownValue(part.offset)} cannot be unmapped: they are not made of whole pieces ` +
      `(${pieces.length === 0 ? "nothing is mapped there" : pieces.join(", ")})`,
    {
      hint: "The kernel unmaps only whole pieces: map with { pieceBytes } to make smaller ones",
    },
  );
}

function isCut({ offset, bytes }: Extent, place: number, { pieceBytes = bytes }: MappingPlan): boolean {
  if (place <= offset || place >= offset + bytes) return true;
  return (place - offset) % pieceBytes === 0;
}

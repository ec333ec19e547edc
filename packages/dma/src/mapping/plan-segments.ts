import { VfioRangeError, shownValue } from "@vfio/ioctl-native";
import type { MappableMemory } from "./mappable-memory.js";
import type { MappingPlan } from "./mapping-plan.js";
import type { MemoryPart } from "./memory-part.js";
import type { DmaSegment } from "../iova/iova-table.js";
import { contiguousRuns } from "../memory/runs.js";

/** Where a mapping's addresses come from: one stretch from this IOVA on, or each page's physical address. */
export type IovaSource = bigint | "physical";

/** The stretches of a memory that are contiguous for the device: the fewest pieces in which it can be mapped. */
export function planStretches(memory: MappableMemory, source: IovaSource): DmaSegment[] {
  if (source !== "physical") return [{ offset: 0, iova: source, bytes: memory.bytes }];
  const runs = contiguousRuns(memory.physicalAddresses(), memory.pageBytes);
  return runs.map(({ offset, address, bytes }) => ({ offset, iova: address, bytes }));
}

/** A stretch, cut into pieces of at most `pieceBytes` if the plan asks for it. */
export function cutStretch(stretch: DmaSegment, { pieceBytes }: MappingPlan): DmaSegment[] {
  if (pieceBytes === undefined) return [stretch];
  const { offset, iova, bytes } = stretch;
  const step = BigInt(pieceBytes);
  const pieces: DmaSegment[] = [];
  let address = iova;
  for (let at = 0; at < bytes; at += pieceBytes) {
    pieces.push({ offset: offset + at, iova: address, bytes: Math.min(pieceBytes, bytes - at) });
    address += step;
  }
  return pieces;
}

/** @throws VfioRangeError `ERR_VFIO_DMA_ALIGNMENT`. */
export function checkPiece(pieceBytes: number, pageBytes: number): void {
  if (Number.isSafeInteger(pieceBytes) && pieceBytes > 0 && pieceBytes % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `pieces of ${shownValue(pieceBytes)} bytes cannot be mapped: they must be multiples of the memory's page size, ${pageBytes}`,
  );
}

/**
 * The stretches that make up a part of a memory, exactly.
 * @param touched the stretches that have something of it.
 * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP` if the part begins or ends within a piece.
 */
export function wholePieces(
  touched: readonly DmaSegment[],
  plan: MappingPlan,
  part: MemoryPart,
): DmaSegment[] {
  const end = part.offset + part.bytes;
  const inside = touched.map((each) => within(each, part));
  const covered = inside.reduce((sum, each) => sum + each.bytes, 0);
  const isWhole = touched.every((each) => isCut(each, part.offset, plan) && isCut(each, end, plan));
  if (covered === part.bytes && covered > 0 && isWhole) return inside;
  const pieces = touched
    .flatMap((each) => cutStretch(each, plan))
    .filter((each) => each.offset < end && each.offset + each.bytes > part.offset)
    .slice(0, 4)
    .map((each) => `${each.offset}+${each.bytes}`);
  throw new VfioRangeError(
    "ERR_VFIO_PARTIAL_UNMAP",
    `${shownValue(part.bytes)} bytes at offset ${shownValue(part.offset)} cannot be unmapped: they are not made of whole pieces ` +
      `(${pieces.length === 0 ? "nothing is mapped there" : pieces.join(", ")})`,
    {
      hint: "The kernel takes back only what was mapped in one piece: map with { pieceBytes } to make smaller ones",
    },
  );
}

/** What of a stretch lies in a part of the memory. */
function within({ offset, iova, bytes }: DmaSegment, part: MemoryPart): DmaSegment {
  const from = Math.max(offset, part.offset);
  const to = Math.min(offset + bytes, part.offset + part.bytes);
  return { offset: from, iova: iova + BigInt(from - offset), bytes: to - from };
}

/** True if no piece of a stretch lies on both sides of a place in the memory. */
function isCut({ offset, bytes }: DmaSegment, place: number, { pieceBytes = bytes }: MappingPlan): boolean {
  if (place <= offset || place >= offset + bytes) return true;
  return (place - offset) % pieceBytes === 0;
}

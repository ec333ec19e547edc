import { VfioRangeError } from "@vfio/ioctl-native";
import type { MappableMemory, MappingPlan } from "./dma-mapping.js";
import type { DmaSegment } from "./iova-table.js";
import { contiguousRuns } from "./runs.js";

/** Where a mapping's addresses come from: one stretch from this IOVA on, or each page's physical address. */
export type IovaSource = bigint | "physical";

/** The pieces in which a memory is to be mapped: as few as the addresses allow, or none larger than `pieceBytes`. */
export function planSegments(
  memory: MappableMemory,
  { pieceBytes }: MappingPlan,
  source: IovaSource,
): DmaSegment[] {
  checkPiece(memory, pieceBytes);
  const stretches: DmaSegment[] =
    source === "physical"
      ? contiguousRuns(memory.physicalAddresses(), memory.pageBytes).map(({ offset, address, bytes }) => ({
          offset,
          iova: address,
          bytes,
        }))
      : [{ offset: 0, iova: source, bytes: memory.bytes }];
  return pieceBytes === undefined ? stretches : stretches.flatMap((stretch) => cut(stretch, pieceBytes));
}

function cut({ offset, iova, bytes }: DmaSegment, pieceBytes: number): DmaSegment[] {
  return Array.from({ length: Math.ceil(bytes / pieceBytes) }, (_, index) => {
    const at = index * pieceBytes;
    return { offset: offset + at, iova: iova + BigInt(at), bytes: Math.min(pieceBytes, bytes - at) };
  });
}

function checkPiece({ pageBytes }: MappableMemory, pieceBytes: number | undefined): void {
  if (pieceBytes === undefined) return;
  if (Number.isSafeInteger(pieceBytes) && pieceBytes > 0 && pieceBytes % pageBytes === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `pieces of ${pieceBytes} bytes cannot be mapped: they must be multiples of the memory's page size, ${pageBytes}`,
  );
}

/**
 * The segments that make up a part of a memory, exactly.
 * @throws VfioRangeError `ERR_VFIO_PARTIAL_UNMAP` if the part begins or ends within one.
 */
export function wholeSegments(segments: readonly DmaSegment[], offset: number, bytes: number): DmaSegment[] {
  const inside = segments.filter(
    (each) => each.offset >= offset && each.offset + each.bytes <= offset + bytes,
  );
  const covered = inside.reduce((sum, each) => sum + each.bytes, 0);
  if (inside.length > 0 && covered === bytes && inside[0]?.offset === offset) return inside;
  const touched = segments.filter(
    (each) => each.offset < offset + bytes && each.offset + each.bytes > offset,
  );
  const pieces = touched.slice(0, 4).map((each) => `${each.offset}+${each.bytes}`);
  throw new VfioRangeError(
    "ERR_VFIO_PARTIAL_UNMAP",
    `${bytes} bytes at offset ${offset} cannot be unmapped: they are not made of whole pieces ` +
      `(${pieces.length === 0 ? "nothing is mapped there" : pieces.join(", ")})`,
    {
      hint: "The kernel takes back only what was mapped in one piece: map with { pieceBytes } to make smaller ones",
    },
  );
}

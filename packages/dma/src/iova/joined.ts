import type { DmaSegment } from "./dma-segment.js";

/** Segments that follow each other in the memory and in the device's addresses, as one. */
export function joined(segments: readonly DmaSegment[]): DmaSegment[] {
  const stretches: DmaSegment[] = [];
  let bytes = 0;
  segments.forEach((segment, at) => {
    const next = segments[at + 1];
    bytes += segment.bytes;
    if (next !== undefined && follows(segment, next)) return;
    const start = bytes - segment.bytes;
    stretches.push({ offset: segment.offset - start, iova: segment.iova - BigInt(start), bytes });
    bytes = 0;
  });
  return stretches;
}

function follows(one: DmaSegment, next: DmaSegment): boolean {
  return one.offset + one.bytes === next.offset && one.iova + BigInt(one.bytes) === next.iova;
}

import { VfioRangeError } from "@vfio/ioctl-native";
import { formatAddress } from "./format.js";

/** A stretch of memory that is mapped in one piece. */
export interface DmaSegment {
  /** Where it starts in the memory, in bytes. */
  readonly offset: number;
  /** The address under which devices reach it. */
  readonly iova: bigint;
  readonly bytes: number;
}

/** Translates offsets of one memory into the addresses that a device uses. Its segments lie in ascending order. */
export class SegmentTable {
  constructor(readonly segments: readonly DmaSegment[]) {}

  /**
   * The IOVA of a part of the memory.
   * @param offset where the part starts in the memory, in bytes.
   * @param bytes its length: it must lie in one segment, since a device sees no more than that in one piece. Default 1.
   * @throws VfioRangeError `ERR_VFIO_NOT_MAPPED`, telling which segments there are.
   */
  iovaOf(offset: number, bytes = 1): bigint {
    const segment = this.segments.find(
      (each) => offset >= each.offset && offset + bytes <= each.offset + each.bytes,
    );
    if (segment !== undefined && bytes > 0) return segment.iova + BigInt(offset - segment.offset);
    const pieces = this.segments.map((each) => `${each.offset}+${each.bytes} at ${formatAddress(each.iova)}`);
    throw new VfioRangeError(
      "ERR_VFIO_NOT_MAPPED",
      `no single DMA segment holds ${bytes} bytes at offset ${offset}; the memory's segments are ${pieces.join(", ")}`,
    );
  }
}

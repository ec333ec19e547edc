import { VfioRangeError } from "@vfio/ioctl-native";
import { formatRange } from "./format.js";
import type { DmaSegment } from "./iova-table.js";

/** What is mapped in a container by us, in the order of IOVAs: to find an overlap without looking at everything. */
export class MappedRanges {
  readonly #sorted: DmaSegment[] = [];

  get all(): readonly DmaSegment[] {
    return this.#sorted;
  }

  /** @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` naming the range that is in the way. */
  checkFree(segment: DmaSegment): void {
    const at = this.#indexOf(segment.iova);
    const end = segment.iova + BigInt(segment.bytes);
    const before = this.#sorted[at - 1];
    const after = this.#sorted[at];
    if (before !== undefined && before.iova + BigInt(before.bytes) > segment.iova)
      throw overlapError(segment, before);
    if (after !== undefined && after.iova < end) throw overlapError(segment, after);
  }

  /** @param pieces follow each other in ascending order, with nothing of ours between them. */
  add(pieces: readonly DmaSegment[]): void {
    const [first] = pieces;
    if (first !== undefined) this.#sorted.splice(this.#indexOf(first.iova), 0, ...pieces);
  }

  /** Removes every range that begins within a stretch. */
  remove({ iova, bytes }: DmaSegment): void {
    const from = this.#indexOf(iova);
    this.#sorted.splice(from, this.#indexOf(iova + BigInt(bytes)) - from);
  }

  /** The index of the first range at or above an address. */
  #indexOf(iova: bigint): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const found = this.#sorted[middle];
      if (found !== undefined && found.iova < iova) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function overlapError(segment: DmaSegment, other: DmaSegment): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_DMA_OVERLAP",
    `IOVA ${formatRange(segment.iova, segment.bytes)} overlaps ${formatRange(other.iova, other.bytes)}, which is mapped`,
  );
}

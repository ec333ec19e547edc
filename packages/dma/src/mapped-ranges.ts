import { VfioRangeError } from "@vfio/ioctl-native";
import { bigIntOf } from "./halves.js";
import { formatRange } from "./format.js";
import type { DmaSegment } from "./iova-table.js";

/** What our mappings in a container have, or come back to, in the order of IOVAs: to find an overlap without looking at everything. */
export class MappedRanges {
  readonly #sorted: DmaSegment[] = [];

  /** @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` naming the range that is in the way. */
  checkFree(segment: DmaSegment): void {
    const at = this.#indexOf(segment.iova);
    const before = this.#sorted[at - 1];
    const after = this.#sorted[at];
    if (before !== undefined && endOf(before) > segment.iova) throw overlapError(segment, before);
    if (after !== undefined && after.iova < endOf(segment)) throw overlapError(segment, after);
  }

  /** @param segment is free, as {@link checkFree} says. */
  add(segment: DmaSegment): void {
    const at = this.#indexOf(segment.iova);
    if (at === this.#sorted.length) this.#sorted.push(segment);
    else this.#sorted.splice(at, 0, segment);
  }

  /** Removes a stretch; what reaches beyond it is cut off there. */
  remove({ iova, bytes }: DmaSegment): void {
    let from = this.#indexOf(iova);
    const same = this.#sorted[from];
    if (same?.iova === iova && same.bytes === bytes) return void this.#sorted.splice(from, 1);
    const end = iova + bigIntOf(bytes);
    const before = this.#sorted[from - 1];
    if (before !== undefined && endOf(before) > iova) from--;
    const touched = this.#sorted.slice(from, this.#indexOf(end));
    const left = touched.flatMap((range) => outside(range, iova, end));
    this.#sorted.splice(from, touched.length, ...left);
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

function endOf({ iova, bytes }: DmaSegment): bigint {
  return iova + bigIntOf(bytes);
}

/** What of a range lies below `start` and from `end` on. */
function outside(range: DmaSegment, start: bigint, end: bigint): DmaSegment[] {
  const below = { ...range, bytes: Number(start - range.iova) };
  const skipped = Number(end - range.iova);
  const above = { offset: range.offset + skipped, iova: end, bytes: range.bytes - skipped };
  return [below, above].filter((each) => each.bytes > 0);
}

function overlapError(segment: DmaSegment, other: DmaSegment): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_DMA_OVERLAP",
    `IOVA ${formatRange(segment.iova, segment.bytes)} overlaps ${formatRange(other.iova, other.bytes)}, which another mapping has`,
  );
}

import { VfioRangeError } from "@vfio/ioctl-native";
import { bigIntOf } from "../iova/halves.js";
import { formatRange } from "../iova/format.js";
import type { DmaSegment } from "../iova/iova-table.js";
import { outside, SortedRanges } from "../iova/sorted-ranges.js";

/** What our mappings in a container have, or come back to, in the order of IOVAs: to find an overlap without looking at everything. */
export class MappedRanges {
  readonly #ranges = new SortedRanges<bigint>();

  /** @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP` naming the range that is in the way. */
  checkFree(segment: DmaSegment): void {
    const [other] = this.#ranges.overlapping(segment.iova, endOf(segment));
    if (other === undefined) return;
    throw new VfioRangeError(
      "ERR_VFIO_DMA_OVERLAP",
      `IOVA ${formatRange(segment.iova, segment.bytes)} overlaps ` +
        `${formatRange(other.start, Number(other.end - other.start))}, which another mapping has`,
    );
  }

  /**
   * Adds all of these, or none.
   * @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP`, also if two of them overlap.
   */
  addAll(segments: readonly DmaSegment[]): void {
    const added: DmaSegment[] = [];
    try {
      for (const segment of segments) {
        this.add(segment);
        added.push(segment);
      }
    } catch (error) {
      for (const segment of added) this.remove(segment);
      throw error;
    }
  }

  /** @throws VfioRangeError `ERR_VFIO_DMA_OVERLAP`. */
  add(segment: DmaSegment): void {
    this.checkFree(segment);
    this.#ranges.add({ start: segment.iova, end: endOf(segment) });
  }

  /** Removes a stretch; what reaches beyond it is cut off there. */
  remove(segment: DmaSegment): void {
    const end = endOf(segment);
    for (const range of this.#ranges.overlapping(segment.iova, end))
      this.#ranges.replace(range, outside(range, segment.iova, end));
  }
}

function endOf({ iova, bytes }: DmaSegment): bigint {
  return iova + bigIntOf(bytes);
}

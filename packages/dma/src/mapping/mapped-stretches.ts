import { bigIntOf } from "../iova/halves.js";
import type { DmaSegment } from "../iova/iova-table.js";
import type { MemoryPart } from "./memory-part.js";
import { SortedRanges, type PlacedRange } from "../iova/sorted-ranges.js";

/** A stretch by its place in the memory. */
interface Stretch extends PlacedRange<number> {
  readonly iova: bigint;
}

/**
 * The stretches of a memory that are mapped, in the memory's order, of which parts can be taken out. Most mappings are
 * taken back as a whole, so the order is made with the first part that is.
 */
export class MappedStretches {
  /** `undefined` after a part was taken out, until somebody asks. */
  #list: readonly DmaSegment[] | undefined;
  #order: SortedRanges<number, Stretch> | undefined;
  #bytes: number;

  constructor(list: readonly DmaSegment[] = []) {
    this.#list = list;
    this.#bytes = list.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** How much of the memory they are. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All of them. */
  get list(): readonly DmaSegment[] {
    return (this.#list ??= this.#sorted().all.map(segmentOf));
  }

  /** Those that have something of a part of the memory. */
  touching({ offset, bytes }: MemoryPart): DmaSegment[] {
    return this.#sorted()
      .overlapping(offset, offset + bytes)
      .map(segmentOf);
  }

  /** Takes a part out, of which all lies in one stretch. */
  takeOut({ offset, bytes }: MemoryPart): void {
    const end = offset + bytes;
    const order = this.#sorted();
    for (const stretch of order.overlapping(offset, end)) {
      const behind = { start: end, end: stretch.end, iova: stretch.iova + bigIntOf(end - stretch.start) };
      const left = [{ ...stretch, end: offset }, behind].filter((each) => each.start < each.end);
      order.replace(stretch, left);
    }
    this.#bytes -= bytes;
    this.#list = undefined;
  }

  #sorted(): SortedRanges<number, Stretch> {
    if (this.#order !== undefined) return this.#order;
    const order = new SortedRanges<number, Stretch>();
    for (const { offset, iova, bytes } of this.#list ?? [])
      order.add({ start: offset, end: offset + bytes, iova });
    return (this.#order = order);
  }
}

function segmentOf({ start, end, iova }: Stretch): DmaSegment {
  return { offset: start, iova, bytes: end - start };
}

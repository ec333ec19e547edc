import type { BufferPlace } from "./dma-buffer.js";
import type { DmaMapping } from "../mapping/dma-mapping.js";
import type { HugepageMemory } from "../memory/hugepage-memory.js";
import type { DmaSegment } from "../iova/iova-table.js";
import { RangeAllocator } from "../iova/range-allocator.js";
import { SortedRanges, type PlacedRange } from "../iova/sorted-ranges.js";

/** A hugepage memory, mapped. */
export interface Chunk {
  readonly memory: HugepageMemory;
  readonly mapping: DmaMapping;
  /** As it was mapped, and comes back if the mapping is made anew. */
  readonly stretches: readonly DmaSegment[];
}

/** A stretch of a chunk, with its place on the line. */
interface PlacedStretch extends PlacedRange<bigint> {
  readonly chunk: Chunk;
  /** Where it starts in the chunk's memory. */
  readonly offset: number;
}

/**
 * What is free of many memories. Their stretches lie on one line, with gaps, since between stretches the device's addresses
 * jump: so a place is found without a look at each memory.
 */
export class ArenaSpace {
  readonly #pageBytes: bigint;
  readonly #free = new RangeAllocator();
  readonly #stretches = new SortedRanges<bigint, PlacedStretch>();
  /** The chunks of more than one stretch: only in them can something lie across stretches. */
  readonly #scattered = new Set<readonly PlacedStretch[]>();
  #end = 0n;

  constructor(pageBytes: number) {
    this.#pageBytes = BigInt(pageBytes);
  }

  /** Adds all of a chunk, as free. @returns what takes it out again, if nothing was cut out of it. */
  add(chunk: Chunk): () => void {
    const placed = chunk.stretches.map((stretch) => this.#append(chunk, stretch));
    if (placed.length > 1) this.#scattered.add(placed);
    return () => {
      this.#scattered.delete(placed);
      for (const stretch of placed) this.#remove(stretch);
    };
  }

  /**
   * A place in one piece, or over several stretches from the start of a chunk on, if none of them ends within a unit.
   * @param unitBytes what must be one piece for the device, counted from the place's start.
   */
  cut(bytes: number, align: number, unitBytes: number): BufferPlace | undefined {
    return this.#cutWithin(BigInt(bytes), BigInt(align)) ?? this.#cutAcross(bytes, unitBytes);
  }

  #append(chunk: Chunk, { offset, bytes }: DmaSegment): PlacedStretch {
    const start = this.#end + this.#pageBytes;
    const stretch = { start, end: start + BigInt(bytes), chunk, offset };
    this.#end = stretch.end;
    this.#stretches.add(stretch);
    this.#free.give(start, BigInt(bytes));
    return stretch;
  }

  #remove(stretch: PlacedStretch): void {
    this.#stretches.replace(stretch);
    this.#free.take(stretch.start, stretch.end - stretch.start);
  }

  #cutWithin(bytes: bigint, align: bigint): BufferPlace | undefined {
    const start = this.#free.allocate(bytes, align, (at) => hasAddresses(this.#stretchAt(at)));
    if (start === undefined) return undefined;
    const stretch = this.#stretchAt(start);
    return stretch && placeIn(stretch, start, bytes, () => this.#free.give(start, bytes));
  }

  #cutAcross(bytes: number, unitBytes: number): BufferPlace | undefined {
    if (unitBytes === bytes) return undefined;
    for (const stretches of this.#scattered) {
      const [first] = stretches;
      const parts = hasAddresses(first) ? partsAcross(stretches, bytes, unitBytes) : undefined;
      if (first === undefined || !parts?.every(({ start, end }) => this.#free.has(start, end - start)))
        continue;
      for (const { start, end } of parts) this.#free.take(start, end - start);
      const release = (): void => {
        for (const { start, end } of parts) this.#free.give(start, end - start);
      };
      return placeIn(first, first.start, BigInt(bytes), release);
    }
    return undefined;
  }

  #stretchAt(at: bigint): PlacedStretch | undefined {
    return this.#stretches.overlapping(at, at + 1n)[0];
  }
}

/** False for a chunk that waits for a group, or could not be made anew. */
function hasAddresses(stretch: PlacedStretch | undefined): boolean {
  return stretch?.chunk.mapping.mapped === true;
}

/** What the first bytes of a chunk have of each of its stretches; `undefined` if one of these ends within a unit. */
function partsAcross(
  stretches: readonly PlacedStretch[],
  bytes: number,
  unitBytes: number,
): PlacedRange<bigint>[] | undefined {
  const last = stretches.at(-1);
  if (last === undefined || last.chunk.memory.bytes < bytes) return undefined;
  const used = stretches.filter(({ offset }) => offset < bytes);
  if (used.some(({ offset }) => offset % unitBytes !== 0)) return undefined;
  return used.map(({ start, end, offset }) => {
    const wanted = start + BigInt(bytes - offset);
    return { start, end: wanted < end ? wanted : end };
  });
}

function placeIn(stretch: PlacedStretch, start: bigint, bytes: bigint, release: () => void): BufferPlace {
  const { memory, mapping } = stretch.chunk;
  const offset = stretch.offset + Number(start - stretch.start);
  return { memory, table: mapping.table, offset, bytes: Number(bytes), release };
}

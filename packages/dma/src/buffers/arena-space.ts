import { type Extent, type IovaRange } from "@vfio/ioctl-native";
import { common, rangeOf, RangeList, RangeSet } from "@vfio/ioctl-native/internal";
import type { BufferPlace } from "./dma-buffer.js";
import type { DmaMapping } from "../mapping/dma-mapping.js";
import type { HugepageMemory } from "../memory/hugepage-memory.js";

export interface ArenaMemory {
  readonly memory: HugepageMemory;
  readonly mapping: DmaMapping;
  /** The extents as first mapped; a mapping made anew has the same. */
  readonly extents: readonly Extent[];
}

interface Placed extends IovaRange {
  readonly of: ArenaMemory;
  readonly offset: number;
}

/**
 * The free space of many memories. Their extents lie on one line, with gaps wherever device addresses jump, so finding
 * a place needs no look at each memory.
 */
export class ArenaSpace {
  readonly #pageBytes: bigint;
  readonly #free = new RangeSet();
  readonly #line = new RangeList<Placed>();
  /** The memories of more than one extent: only in them can a place span extents. */
  readonly #scattered = new Set<readonly Placed[]>();
  #next: bigint;

  constructor(pageBytes: number) {
    this.#pageBytes = this.#next = BigInt(pageBytes);
  }

  /** Adds all of a memory, as free. @returns what removes the memory again, unless something was cut out of it. */
  add(of: ArenaMemory): () => void {
    const all = of.extents.map((extent) => this.#append(of, extent));
    if (all.length > 1) this.#scattered.add(all);
    return () => {
      this.#scattered.delete(all);
      for (const placed of all) {
        this.#line.replace(placed);
        this.#free.cut(placed);
      }
    };
  }

  /**
   * A place in one piece, or over several extents from the start of a memory on, if none of them ends within a unit.
   * @param unitBytes what must be one piece for the device, counted from the place's start.
   */
  cut(bytes: number, align: number, unitBytes: number): BufferPlace | undefined {
    return this.#cutWithin(BigInt(bytes), BigInt(align)) ?? this.#cutAcross(bytes, unitBytes);
  }

  #append(of: ArenaMemory, { offset, bytes }: Extent): Placed {
    const range = rangeOf({ iova: this.#next, bytes });
    const placed = { ...range, of, offset };
    this.#next = range.end + 1n + this.#pageBytes;
    this.#line.add(placed);
    this.#free.add(range);
    return placed;
  }

  #cutWithin(bytes: bigint, align: bigint): BufferPlace | undefined {
    const range = this.#free.take(bytes, align, (at) => hasAddresses(this.#line.at(at)));
    const placed = range && this.#line.at(range.start);
    return placed && placeIn(placed, range.start, Number(bytes), () => this.#free.join(range));
  }

  #cutAcross(bytes: number, unitBytes: number): BufferPlace | undefined {
    if (unitBytes === bytes) return undefined;
    for (const all of this.#scattered) {
      const [first] = all;
      const ranges = hasAddresses(first) ? rangesAcross(all, bytes, unitBytes) : undefined;
      if (first === undefined || !ranges?.every((range) => this.#free.has(range))) continue;
      for (const range of ranges) this.#free.cut(range);
      return placeIn(first, first.start, bytes, () => {
        for (const range of ranges) this.#free.join(range);
      });
    }
    return undefined;
  }
}

/** False for a memory that waits for a group, or could not be mapped anew. */
function hasAddresses(placed: Placed | undefined): boolean {
  return placed?.of.mapping.mapped === true;
}

/** The part of each extent that the first bytes of a memory take; `undefined` if an extent ends within a unit. */
function rangesAcross(all: readonly Placed[], bytes: number, unitBytes: number): IovaRange[] | undefined {
  const last = all.at(-1);
  if (last === undefined || last.of.memory.bytes < bytes) return undefined;
  const used = all.filter(({ offset }) => offset < bytes);
  if (used.some(({ offset }) => offset % unitBytes !== 0)) return undefined;
  return used.flatMap((placed) =>
    common([placed], rangeOf({ iova: placed.start, bytes: bytes - placed.offset })),
  );
}

function placeIn(placed: Placed, start: bigint, bytes: number, release: () => void): BufferPlace {
  const { memory, mapping } = placed.of;
  const offset = placed.offset + Number(start - placed.start);
  return { memory, table: mapping.table, offset, bytes, release };
}

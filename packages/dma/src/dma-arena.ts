import { runAll, VfioRangeError } from "@vfio/ioctl-native";
import { DmaBuffer, type BufferPlace } from "./dma-buffer.js";
import type { DmaMapping } from "./dma-mapping.js";
import { HugepageMemory } from "./hugepage-memory.js";
import { RangeAllocator } from "./range-allocator.js";

/** A hugepage memory, mapped. */
interface Chunk {
  readonly memory: HugepageMemory;
  readonly mapping: DmaMapping;
  /** The free bytes of each stretch. They are kept apart, since between stretches the device's addresses jump. */
  readonly spaces: readonly RangeAllocator[];
}

/** What is asked of `DmaMapper.alloc`. */
export interface BufferRequest {
  /** At least 1. */
  readonly bytes: number;
  /** A power of two, at most the page size. Default 64, a cache line. */
  readonly align?: number;
}

/** Cuts buffers out of hugepage memories that it allocates and maps as they are needed. */
export class DmaArena implements Disposable {
  readonly #pageBytes: number;
  readonly #map: (memory: HugepageMemory) => DmaMapping;
  readonly #chunks: Chunk[] = [];

  /** @param map maps a new memory for DMA. */
  constructor(pageBytes: number, map: (memory: HugepageMemory) => DmaMapping) {
    this.#pageBytes = pageBytes;
    this.#map = map;
  }

  /** A buffer: one piece for the device. */
  alloc(request: BufferRequest): DmaBuffer {
    return new DmaBuffer(this.place(request));
  }

  /**
   * A place for what is asked for.
   * @param unitBytes what must not be torn apart by a jump in the device's addresses, counted from the place's start.
   * Default: all of it.
   */
  place({ bytes, align = 64 }: BufferRequest, unitBytes = bytes): BufferPlace {
    checkRequest(bytes, align, this.#pageBytes);
    for (const chunk of this.#chunks) {
      const place = cut(chunk, bytes, align);
      if (place !== undefined) return place;
    }
    return this.#placeInNewChunk(bytes, align, unitBytes);
  }

  /** Unmaps and frees every memory, whatever was cut out of it. */
  close(): void {
    runAll(this.#chunks.splice(0).map((chunk) => () => closeChunk(chunk)));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #placeInNewChunk(bytes: number, align: number, unitBytes: number): BufferPlace {
    const memory = HugepageMemory.allocate({ bytes, pageBytes: this.#pageBytes });
    const chunk = this.#mapChunk(memory);
    const place = cut(chunk, bytes, align) ?? cutAcross(chunk, bytes, unitBytes);
    if (place === undefined) {
      closeChunk(chunk);
      throw scatteredError(unitBytes, this.#pageBytes);
    }
    this.#chunks.push(chunk);
    return place;
  }

  #mapChunk(memory: HugepageMemory): Chunk {
    let mapping: DmaMapping | undefined;
    try {
      mapping = this.#map(memory);
      // Without a group there are no device addresses, and this says so.
      const { stretches } = mapping.table;
      return { memory, mapping, spaces: stretches.map(({ offset, bytes }) => spaceOf(offset, bytes)) };
    } catch (error) {
      mapping?.unmap();
      memory.close();
      throw error;
    }
  }
}

function spaceOf(offset: number, bytes: number): RangeAllocator {
  const space = new RangeAllocator();
  space.give(BigInt(offset), BigInt(bytes));
  return space;
}

/** A place in one piece. */
function cut({ memory, mapping, spaces }: Chunk, bytes: number, align: number): BufferPlace | undefined {
  for (const space of spaces) {
    const start = space.allocate(BigInt(bytes), BigInt(align));
    if (start === undefined) continue;
    const release = (): void => space.give(start, BigInt(bytes));
    return { memory, table: mapping.table, offset: Number(start), bytes, release };
  }
  return undefined;
}

/** The start of a new chunk, over as many stretches as it takes, if none of them ends within a unit. */
function cutAcross(
  { memory, mapping, spaces }: Chunk,
  bytes: number,
  unitBytes: number,
): BufferPlace | undefined {
  const { table } = mapping;
  const used = table.stretches.filter(({ offset }) => offset < bytes);
  if (used.some(({ offset }) => offset % unitBytes !== 0)) return undefined;
  const parts = used.map((each) => ({
    start: BigInt(each.offset),
    bytes: BigInt(Math.min(each.bytes, bytes - each.offset)),
  }));
  parts.forEach((part, at) => spaces[at]?.take(part.start, part.bytes));
  const release = (): void => parts.forEach((part, at) => spaces[at]?.give(part.start, part.bytes));
  return { memory, table, offset: 0, bytes, release };
}

function closeChunk({ memory, mapping }: Chunk): void {
  runAll([() => mapping.unmap(), () => memory.close()]);
}

function checkRequest(bytes: number, align: number, pageBytes: number): void {
  const goodAlignment = Number.isInteger(Math.log2(align)) && align >= 1 && align <= pageBytes;
  if (Number.isSafeInteger(bytes) && bytes > 0 && goodAlignment) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `${bytes} bytes aligned to ${align}: the length must be a whole number above 0, ` +
      `the alignment a power of two up to the page size (${pageBytes})`,
  );
}

function scatteredError(bytes: number, pageBytes: number): VfioRangeError {
  return new VfioRangeError(
    "ERR_VFIO_MEMORY_SCATTERED",
    `${bytes} bytes are not to be had in one piece of device addresses: pages of ${pageBytes} bytes lie scattered`,
    {
      hint: 'Larger pages, or { iova: "allocate" } instead of "physical", make larger pieces; blocks of a size that divides the page size need none',
    },
  );
}

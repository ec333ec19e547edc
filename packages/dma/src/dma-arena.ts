import { runAll, undo, VfioRangeError } from "@vfio/ioctl-native";
import { checkObject, isPowerOfTwo, shown } from "./arguments.js";
import { DmaBuffer, type BufferPlace } from "./dma-buffer.js";
import { DmaPool } from "./dma-pool.js";
import type { DmaMapping } from "./dma-mapping.js";
import { DEFAULT_PAGE_BYTES, HugepageMemory, type PageSource } from "./hugepage-memory.js";
import { RangeAllocator } from "./range-allocator.js";

const CACHE_LINE = 64;
const BUFFER_EXPECTED = "a request for a buffer, such as { bytes: 4096 },";
const POOL_EXPECTED = "a request for a pool, such as { count: 256, bytes: 2048 },";

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

/** What a pool is made of. */
export interface PoolRequest {
  /** How many blocks, at least 1. */
  readonly count: number;
  /** The size of each block: a multiple of `align`. */
  readonly bytes: number;
  /** A power of two, at most the page size. Default 64, a cache line. */
  readonly align?: number;
}

/** Cuts buffers out of hugepage memories that it allocates and maps as they are needed. */
export class DmaArena implements Disposable {
  readonly #source: PageSource & { readonly pageBytes: number };
  readonly #map: (memory: HugepageMemory) => DmaMapping;
  readonly #chunks: Chunk[] = [];
  /** What was cut out and not given back. */
  readonly #live = new Set<Disposable>();

  /** @param map maps a new memory for DMA. */
  constructor(source: PageSource, map: (memory: HugepageMemory) => DmaMapping) {
    this.#source = { ...source, pageBytes: source.pageBytes ?? DEFAULT_PAGE_BYTES };
    this.#map = map;
  }

  /** A buffer: one piece for the device. */
  alloc(request: BufferRequest): DmaBuffer {
    checkObject(request, BUFFER_EXPECTED);
    return this.#make(this.#place(request), (place) => new DmaBuffer(place));
  }

  /** A pool, of which each block is one piece for the device. */
  pool(request: PoolRequest): DmaPool {
    checkObject(request, POOL_EXPECTED);
    const { count, bytes, align = CACHE_LINE } = request;
    checkRequest(bytes, align, this.#source.pageBytes);
    if (!Number.isSafeInteger(count) || count < 1 || bytes % align !== 0) {
      const text =
        `${shown(count)} blocks of ${bytes} bytes, aligned to ${align}: the number must be a whole one above 0, ` +
        "the size a multiple of the alignment";
      throw new VfioRangeError("ERR_VFIO_DMA_ALIGNMENT", text);
    }
    const place = this.#place({ bytes: count * bytes, align }, bytes);
    return this.#make(place, (tracked) => new DmaPool(tracked, count, bytes));
  }

  /** Unmaps and frees every memory; what was cut out of it is closed, too. */
  close(): void {
    for (const each of [...this.#live]) each[Symbol.dispose]();
    runAll(this.#chunks.splice(0).flatMap(closingOf));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @param unitBytes what must be one piece for the device, counted from the place's start. Default: all of it. */
  #place({ bytes, align = CACHE_LINE }: BufferRequest, unitBytes = bytes): BufferPlace {
    checkRequest(bytes, align, this.#source.pageBytes);
    for (const chunk of this.#chunks) {
      // It has no addresses: it waits for a group, or could not be made anew.
      if (!chunk.mapping.mapped) continue;
      const place = cut(chunk, bytes, align) ?? cutAcross(chunk, bytes, unitBytes);
      if (place !== undefined) return place;
    }
    return this.#placeInNewChunk(bytes, align, unitBytes);
  }

  /** What stands on a place, known until it gives the place back. If it cannot be made, the place is free again. */
  #make<T extends Disposable>(place: BufferPlace, make: (place: BufferPlace) => T): T {
    let made: T | undefined;
    const release = (): void => {
      place.release();
      if (made !== undefined) this.#live.delete(made);
    };
    try {
      made = make({ ...place, release });
    } catch (error) {
      release();
      throw error;
    }
    this.#live.add(made);
    return made;
  }

  #placeInNewChunk(bytes: number, align: number, unitBytes: number): BufferPlace {
    const memory = HugepageMemory.allocate({ ...this.#source, bytes });
    const chunk = this.#mapChunk(memory);
    const place = cut(chunk, bytes, align) ?? cutAcross(chunk, bytes, unitBytes);
    if (place === undefined) {
      undo(scatteredError(bytes, unitBytes, this.#source.pageBytes), closingOf(chunk));
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
      undo(error, [() => mapping?.unmap(), () => memory.close()]);
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
  const { table } = mapping;
  for (const space of spaces) {
    const start = space.allocate(BigInt(bytes), BigInt(align));
    if (start === undefined) continue;
    const release = (): void => space.give(start, BigInt(bytes));
    return { memory, table, offset: Number(start), bytes, release };
  }
  return undefined;
}

/** The start of a chunk, over as many stretches as it takes, if it is free and none of them ends within a unit. */
function cutAcross(
  { memory, mapping, spaces }: Chunk,
  bytes: number,
  unitBytes: number,
): BufferPlace | undefined {
  const { table } = mapping;
  if (bytes > memory.bytes) return undefined;
  const used = table.stretches.filter(({ offset }) => offset < bytes);
  if (used.some(({ offset }) => offset % unitBytes !== 0)) return undefined;
  const parts = used.map((each) => ({
    start: BigInt(each.offset),
    bytes: BigInt(Math.min(each.bytes, bytes - each.offset)),
  }));
  if (!parts.every((part, at) => spaces[at]?.has(part.start, part.bytes))) return undefined;
  parts.forEach((part, at) => spaces[at]?.take(part.start, part.bytes));
  const release = (): void => parts.forEach((part, at) => spaces[at]?.give(part.start, part.bytes));
  return { memory, table, offset: 0, bytes, release };
}

function closingOf({ memory, mapping }: Chunk): (() => void)[] {
  return [() => mapping.unmap(), () => memory.close()];
}

function checkRequest(bytes: number, align: number, pageBytes: number): void {
  const goodAlignment = isPowerOfTwo(align) && align <= pageBytes;
  if (Number.isSafeInteger(bytes) && bytes > 0 && goodAlignment) return;
  throw new VfioRangeError(
    "ERR_VFIO_DMA_ALIGNMENT",
    `${shown(bytes)} bytes aligned to ${shown(align)}: the length must be a whole number above 0, ` +
      `the alignment a power of two up to the page size (${pageBytes})`,
  );
}

function scatteredError(bytes: number, unitBytes: number, pageBytes: number): VfioRangeError {
  const scattered = `pages of ${pageBytes} bytes lie scattered`;
  const problem =
    unitBytes === bytes
      ? `${bytes} bytes are not to be had in one piece of device addresses: ${scattered}`
      : `blocks of ${unitBytes} bytes would lie across the ends of pages: ${scattered}`;
  const sizes = unitBytes === bytes ? "" : ", or a block size that divides the page size";
  return new VfioRangeError("ERR_VFIO_MEMORY_SCATTERED", problem, {
    hint: `Larger pages, or { iova: "allocate" } instead of "physical", make larger pieces${sizes}`,
  });
}

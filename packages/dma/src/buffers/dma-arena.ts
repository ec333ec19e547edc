import { VfioRangeError } from "@vfio/ioctl-native";
import { runAll, shownValue, undo } from "@vfio/ioctl-native/internal";
import { ArenaSpace, type ArenaMemory } from "./arena-space.js";
import { checkAligned, checkObject, isCount } from "../arguments.js";
import { DmaBuffer, type BufferPlace } from "./dma-buffer.js";
import { DmaPool } from "./dma-pool.js";
import type { DmaMapping } from "../mapping/dma-mapping.js";
import {
  DEFAULT_PAGE_BYTES,
  HugepageMemory,
  type MemoryPlacing,
  type PageSource,
} from "../memory/hugepage-memory.js";

const CACHE_LINE = 64;
const BUFFER_EXPECTED = "a request for a buffer, such as { bytes: 4096 },";
const POOL_EXPECTED = "a request for a pool, such as { count: 256, bytes: 2048 },";

/** Arguments of `DmaMapper.alloc`. */
export interface BufferRequest extends MemoryPlacing {
  /** At least 1. */
  readonly bytes: number;
  /** A power of two, at most the page size. Default 64, a cache line. */
  readonly align?: number;
}

/** Arguments of `DmaMapper.pool`. */
export interface PoolRequest extends MemoryPlacing {
  /** The number of blocks, at least 1. */
  readonly count: number;
  /** The size of each block: a multiple of `align`. */
  readonly bytes: number;
  /** A power of two, at most the page size. Default 64, a cache line. */
  readonly align?: number;
}

export class DmaArena implements Disposable {
  readonly #source: PageSource & MemoryPlacing & { readonly pageBytes: number };
  readonly #map: (memory: HugepageMemory) => DmaMapping;
  readonly #memories: ArenaMemory[] = [];
  #space: ArenaSpace;
  readonly #live = new Set<Disposable>();

  constructor(source: PageSource & MemoryPlacing, map: (memory: HugepageMemory) => DmaMapping) {
    this.#source = { ...source, pageBytes: source.pageBytes ?? DEFAULT_PAGE_BYTES };
    this.#map = map;
    this.#space = new ArenaSpace(this.#source.pageBytes);
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
    checkAligned(bytes, align, this.#source.pageBytes);
    if (!isCount(count) || bytes % align !== 0) {
      const text =
        `${shownValue(count)} blocks of ${bytes} bytes, aligned to ${align}: the count must be a whole number above 0, ` +
        "the size a multiple of the alignment";
      throw new VfioRangeError("ERR_VFIO_DMA_ALIGNMENT", text);
    }
    const place = this.#place({ bytes: count * bytes, align }, bytes);
    return this.#make(place, (tracked) => new DmaPool(tracked, count, bytes));
  }

  /** Unmaps and frees every memory, and closes the buffers and pools cut out of it. */
  close(): void {
    for (const each of [...this.#live]) each[Symbol.dispose]();
    this.#space = new ArenaSpace(this.#source.pageBytes);
    runAll(this.#memories.splice(0).flatMap(closingOf));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @param unitBytes what must be one piece for the device, counted from the place's start. Default: all of it. */
  #place({ bytes, align = CACHE_LINE }: BufferRequest, unitBytes = bytes): BufferPlace {
    checkAligned(bytes, align, this.#source.pageBytes);
    return this.#space.cut(bytes, align, unitBytes) ?? this.#placeInNewMemory(bytes, align, unitBytes);
  }

  /** If `make` throws, the place is free again. */
  #make<T extends Disposable>(place: BufferPlace, make: (place: BufferPlace) => T): T {
    let made: T | undefined;
    const release = (): void => {
      place.release();
      if (made !== undefined) this.#live.delete(made);
    };
    try {
      made = make({ ...place, release });
    } catch (error) {
      undo(error, [release]);
    }
    this.#live.add(made);
    return made;
  }

  #placeInNewMemory(bytes: number, align: number, unitBytes: number): BufferPlace {
    const added = this.#mapMemory(HugepageMemory.allocate({ ...this.#source, bytes }));
    const forget = this.#space.add(added);
    const place = this.#space.cut(bytes, align, unitBytes);
    if (place === undefined)
      undo(scatteredError(bytes, unitBytes, this.#source.pageBytes), [forget, ...closingOf(added)]);
    this.#memories.push(added);
    return place;
  }

  #mapMemory(memory: HugepageMemory): ArenaMemory {
    let mapping: DmaMapping | undefined;
    try {
      mapping = this.#map(memory);
      // Without a group there are no device addresses: `table` throws.
      return { memory, mapping, extents: mapping.table.extents };
    } catch (error) {
      undo(error, [() => mapping?.unmap(), () => memory.close()]);
    }
  }
}

function closingOf({ memory, mapping }: ArenaMemory): (() => void)[] {
  return [() => mapping.unmap(), () => memory.close()];
}

function scatteredError(bytes: number, unitBytes: number, pageBytes: number): VfioRangeError {
  const scattered = `pages of ${pageBytes} bytes lie scattered`;
  const problem =
    unitBytes === bytes
      ? `${bytes} bytes do not fit into one piece of device addresses: ${scattered}`
      : `blocks of ${unitBytes} bytes would lie across the ends of pages: ${scattered}`;
  const sizes = unitBytes === bytes ? "" : ", or a block size that divides the page size";
  return new VfioRangeError("ERR_VFIO_MEMORY_SCATTERED", problem, {
    hint: `Larger pages, or { iova: "allocate" } instead of "physical", make larger pieces${sizes}`,
  });
}

import { LinearMemory } from "@vfio/ioctl-native";
import { runAll } from "@vfio/ioctl-native/internal";
import { argumentError } from "../arguments.js";
import { DmaArena, type BufferRequest, type PoolRequest } from "./dma-arena.js";
import type { DmaBuffer } from "./dma-buffer.js";
import type { DmaPool } from "./dma-pool.js";
import type { DmaMapping } from "../mapping/dma-mapping.js";
import type { HugepageMemory, PageSource } from "../memory/hugepage-memory.js";

/** An arena for each `LinearMemory` that was asked for, and one for memory that lies in none. */
export class DmaArenas {
  readonly #source: PageSource;
  readonly #map: (memory: HugepageMemory) => DmaMapping;
  readonly #arenas = new Map<LinearMemory | undefined, DmaArena>();

  constructor(source: PageSource, map: (memory: HugepageMemory) => DmaMapping) {
    this.#source = source;
    this.#map = map;
  }

  alloc(request: BufferRequest): DmaBuffer {
    return this.#of(request).alloc(request);
  }

  pool(request: PoolRequest): DmaPool {
    return this.#of(request).pool(request);
  }

  /** Unmaps and frees every memory, and closes the buffers and pools cut out of it. */
  close(): void {
    runAll([...this.#arenas.values()].map((arena) => () => arena.close()));
  }

  #of(request: BufferRequest | PoolRequest | null | undefined): DmaArena {
    // JavaScript callers may pass anything; the arena knows what a request is.
    const within = request?.within;
    if (within !== undefined && !(within instanceof LinearMemory))
      throw argumentError(within, "a LinearMemory as `within`");
    const arena = this.#arenas.get(within) ?? new DmaArena({ ...this.#source, within }, this.#map);
    this.#arenas.set(within, arena);
    return arena;
  }
}

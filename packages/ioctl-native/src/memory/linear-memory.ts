import { errnoOf, VfioError, VfioRangeError, VfioSystemError } from "../errors/errors.js";
import { shownValue, checkObject } from "../errors/argument-error.js";
import { printAs } from "../errors/printed.js";
import { RangeSet } from "../intervals/range-set.js";
import { without, type IovaRange } from "../intervals/range.js";
import { kernel } from "../kernel/kernel.js";
import { registerModule, type RegisterModule } from "./register-module.js";
import { systemPageBytes } from "./system-page.js";
import { WASM_PAGE_BYTES, webAssembly, type SharedWebAssemblyMemory } from "./web-assembly.js";

/** What a kernel of a test has no such call for. */
const NOT_HERE = errnoOf("ENOSYS");
const LARGEST_BYTES = 2 ** 32;

/** Those in which something lies: the engine must not take them for garbage. */
const inUse = new Set<LinearMemory>();

/** Options of {@link LinearMemory}. */
export interface LinearMemoryOptions {
  /** Its size in bytes: a multiple of 64 KiB, up to 4 GiB. It takes addresses, and memory only for what is touched. */
  readonly bytes: number;
  /**
   * How many bytes at its beginning are the program's own, for the data and stack of its WebAssembly modules: no
   * mapping is laid there. Default: 64 KiB.
   */
  readonly programBytes?: number;
}

/** Where a mapping lies in a {@link LinearMemory}. */
export interface LinearPlace {
  /** The memory. */
  readonly memory: LinearMemory;
  /** Its first byte's address there. */
  readonly address: number;
}

/** What is laid, and with which fd. */
interface Laying {
  readonly handle: number;
  readonly fd: number;
  readonly offset: number;
  readonly name: string;
}

/**
 * A shared WebAssembly memory into which mappings are laid: hugepages, memory files, BARs. Compiled code, from
 * WebAssembly or any language that compiles to it, reaches their pages there by plain loads and stores, and other threads
 * get the whole memory by `postMessage`. An address in it is a plain number.
 *
 * Its size is fixed, since growing could move it. It is kept for as long as a mapping lies in it. Zeroes lie in the place
 * of a mapping that was closed, and of all when the thread that made the memory ends.
 *
 * A WebAssembly module that has the memory reaches everything in it, and nothing else of the process: lay together what
 * the same code may see.
 * @example
 * ```ts
 * import { createMemoryFile, LinearMemory, Mapping } from "@vfio/ioctl-native";
 *
 * const memory = new LinearMemory({ bytes: 2 ** 20 });
 * using file = createMemoryFile({ bytes: 4096, pageBytes: 4096 });
 * using ring = Mapping.map({ file, bytes: 4096, within: memory, name: "ring" });
 * const words = new Uint32Array(memory.buffer, ring.place?.address, 1024); // for any thread, and for WebAssembly
 * words[0] = 7;
 * console.log(ring.registers.read32(0)); // 7
 * ```
 */
export class LinearMemory {
  static {
    printAs(LinearMemory, (it) => ({ bytes: it.bytes, free: Number(it.#free.bytes) }));
  }

  /** The WebAssembly memory, to be imported by modules and passed to workers. */
  readonly memory: SharedWebAssemblyMemory;
  /** Its size. */
  readonly bytes: number;
  /** Where it lies in this process's address space. */
  readonly #base: bigint;
  readonly #free = new RangeSet();
  readonly #laid = new Map<number, IovaRange>();
  #registers: RegisterModule | undefined;

  /**
   * @throws VfioRangeError `ERR_VFIO_LINEAR_MEMORY_SIZE` for a size that no WebAssembly memory has; VfioError
   * `ERR_VFIO_NO_LINEAR_MEMORY` where there is no WebAssembly (`--jitless`), or too few addresses for it (`ulimit -v`).
   */
  constructor(options: LinearMemoryOptions) {
    checkObject("the options of LinearMemory", options);
    const { bytes, programBytes = WASM_PAGE_BYTES } = options;
    checkSizes(bytes, programBytes);
    this.bytes = bytes;
    this.memory = newMemory(bytes);
    const base = kernel().addressOf?.(new Uint8Array(this.memory.buffer)) ?? NOT_HERE;
    if (typeof base === "number")
      throw new VfioSystemError(base, { syscall: "mmap", what: "there is no memory" });
    this.#base = base;
    if (programBytes < bytes) this.#free.join({ start: BigInt(programBytes), end: BigInt(bytes) - 1n });
  }

  /** Its bytes. */
  get buffer(): SharedArrayBuffer {
    return this.memory.buffer;
  }

  /** @internal The accesses to registers in it, which are compiled when they are first asked for. */
  get registers(): RegisterModule | undefined {
    return (this.#registers ??= registerModule(this.memory));
  }

  /**
   * @internal Lays a mapping's pages into it.
   * @returns where.
   */
  lay({ handle, fd, offset, name }: Laying): number {
    const pages = kernel().mappingPages?.(handle) ?? NOT_HERE;
    if (typeof pages === "number")
      throw new VfioSystemError(pages, { syscall: "mmap", what: `cannot lay ${name}` });
    const { bytes, pageBytes } = pages;
    const range = this.#take(BigInt(bytes), BigInt(pageBytes));
    if (range === undefined) throw fullError(this, name, bytes);
    this.#laid.set(handle, range);
    inUse.add(this);
    const address = Number(range.start);
    const result =
      kernel().layMapping?.(handle, fd, offset, new Uint8Array(this.buffer, address, bytes)) ?? NOT_HERE;
    if (result >= 0) return address;
    this.giveBack(handle);
    throw new VfioSystemError(result, {
      syscall: "mmap",
      what: `cannot lay ${name} into a WebAssembly memory`,
    });
  }

  /** @internal True if so many bytes, in pages of ordinary size, have a place. */
  hasRoom(bytes: number): boolean {
    return this.#free.firstFit(BigInt(bytes) + BigInt(systemPageBytes()), () => true) ?? false;
  }

  /** @internal Zeroes lie in the place of a mapping that was closed: another may lie there next. */
  giveBack(handle: number): void {
    const range = this.#laid.get(handle);
    if (range !== undefined) this.#free.join(range);
    this.#laid.delete(handle);
    if (this.#laid.size === 0) inUse.delete(this);
  }

  /** Of the process's addresses pages are multiples, not of the memory's own. */
  #take(bytes: bigint, pageBytes: bigint): IovaRange | undefined {
    const skew = this.#base % pageBytes;
    return this.#free.firstFit(bytes, (range) => {
      const start = range.start + ((pageBytes - ((range.start + skew) % pageBytes)) % pageBytes);
      const taken = { start, end: start + bytes - 1n };
      if (taken.end > range.end) return undefined;
      this.#free.replace(range, without(range, taken));
      return taken;
    });
  }
}

function checkSizes(bytes: number, programBytes: number): void {
  const isSize =
    Number.isInteger(bytes) && bytes > 0 && bytes <= LARGEST_BYTES && bytes % WASM_PAGE_BYTES === 0;
  const isKept = Number.isInteger(programBytes) && programBytes >= 0 && programBytes <= bytes;
  if (isSize && isKept) return;
  throw new VfioRangeError(
    "ERR_VFIO_LINEAR_MEMORY_SIZE",
    `a WebAssembly memory cannot have ${shownValue(bytes)} bytes, ${shownValue(programBytes)} of them the program's: ` +
      `its size is a multiple of ${WASM_PAGE_BYTES} up to 2 ** 32, and at most all of it the program's`,
  );
}

function newMemory(bytes: number): SharedWebAssemblyMemory {
  const engine = webAssembly();
  if (engine === undefined) {
    throw new VfioError("ERR_VFIO_NO_LINEAR_MEMORY", "this JavaScript engine runs without WebAssembly", {
      hint: "Start it without --jitless",
    });
  }
  const pages = bytes / WASM_PAGE_BYTES;
  try {
    return new engine.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    throw new VfioError("ERR_VFIO_NO_LINEAR_MEMORY", `there is no WebAssembly memory of ${bytes} bytes`, {
      cause,
      hint: "Each takes some 10 GiB of addresses: see `ulimit -v`",
    });
  }
}

function fullError(memory: LinearMemory, name: string, bytes: number): VfioError {
  return new VfioError(
    "ERR_VFIO_LINEAR_MEMORY_FULL",
    `${name} (${bytes} bytes) has no room in the WebAssembly memory of ${memory.bytes} bytes`,
    { hint: "Close a mapping that lies in it, or make a larger one" },
  );
}

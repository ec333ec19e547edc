import {
  check,
  errnoOf,
  VfioError,
  VfioRangeError,
  VfioSystemError,
  type SystemCallContext,
} from "./errors.js";
import { fastReads, fastReadsAreProven } from "./fast-reads.js";
import { closedError, type HasFd } from "./fd.js";
import { Holds } from "./holds.js";
import { kernel, type RegisterFunctions } from "./kernel.js";
import { printAs } from "./printed.js";

/** The kernel's page size, or a divisor of it where pages are larger. */
const SMALLEST_PAGE = 4096;

/** V8 indexes a typed array that is longer with slower code. */
const LARGEST_FAST_BYTES = 2 ** 30;

/** Options of {@link Mapping.map}. */
export interface MapOptions {
  /** What to map: a memory file, or a device for one of its regions. It may be closed afterwards. */
  readonly file: HasFd;
  /** Length in bytes, at least 1. */
  readonly bytes: number;
  /** Where in the file, in bytes; a multiple of the page size. Default 0. */
  readonly offset?: number;
  /** Default true. */
  readonly writable?: boolean;
  /** Take all pages now, so that a missing one is an error here and not a SIGBUS at first touch. Default false. */
  readonly populate?: boolean;
  /** Map exactly there or fail with EEXIST if something is there already. Default: anywhere. */
  readonly address?: bigint;
  /** Take the pages from this NUMA node only (`mbind(2)`); with `populate`, at once. Default: any node. */
  readonly numaNode?: number;
  /** What it is, for error messages. Default: its fd. */
  readonly name?: string;
  /** The remedy to name when the kernel refuses. */
  readonly hint?: () => string;
}

/**
 * One shared `mmap` of a file, behind ArrayBuffer views (for memory) and exact-width register accessors (for BARs).
 *
 * Closing detaches this thread's view and takes the file's pages away at once; harmless zero memory stays in the
 * range until the last view in any thread is gone, so a stale view never ends the process with a SIGSEGV.
 * @example
 * ```ts
 * import { createMemoryFile, Mapping } from "@vfio/ioctl-native";
 *
 * using file = createMemoryFile({ bytes: 8192, pageBytes: 4096 });
 * using mapping = Mapping.map({ file, bytes: 8192, name: "ring" });
 * mapping.registers.write32(0x10, 0xcafe); // one store of exactly 32 bits
 * console.log(new Uint32Array(mapping.buffer)[4]); // 51966
 * ```
 */
export class Mapping implements Disposable {
  static {
    printAs(Mapping, (it) => ({
      name: it.name,
      address: it.address,
      bytes: it.bytes,
      heldBy: it.#holds.reasons,
      closed: it.#closed,
    }));
  }

  /** The mapping's number in this process: another thread's {@link Mapping.fromHandle} takes it. */
  readonly handle: number;
  /** Its length. */
  readonly bytes: number;
  /** Where it lies in this process's address space. */
  readonly address: bigint;
  /** What it is, for error messages. */
  readonly name: string;
  readonly #owner: boolean;
  readonly #holds = new Holds();
  #view: ArrayBuffer | undefined;
  /** A view of their own: the other one is the user's, who may transfer it away. */
  #registerView: ArrayBuffer | undefined;
  #registers: RegisterFunctions | undefined;
  #closed = false;

  private constructor(handle: number, name: string, owner: boolean) {
    this.handle = handle;
    this.name = name;
    this.#owner = owner;
    this.bytes = check(kernel().mappingLength(handle), () => noSuchMapping(name));
    const address = kernel().mappingAddress(handle);
    if (typeof address === "number") throw new VfioSystemError(address, noSuchMapping(name));
    this.address = address;
  }

  /**
   * Maps a file (`mmap(2)`, MAP_SHARED).
   * @throws VfioSystemError for what `mmap` refuses, and ENXIO for a range beyond the file's end, where the first
   * touch would be a SIGBUS; VfioRangeError `ERR_VFIO_MAP_RANGE` for a length, offset or address out of range.
   */
  static map(options: MapOptions): Mapping {
    const { file, bytes, offset = 0, writable = true, populate = false, address } = options;
    const { name = `fd ${file.fd}` } = options;
    checkRange(bytes, offset, name);
    checkAddress(address, name);
    const handle = kernel().map(
      file.fd,
      offset,
      bytes,
      writable,
      populate,
      address,
      name,
      options.numaNode ?? -1,
    );
    check(handle, () => mapContext(options, name, handle));
    return new Mapping(handle, name, true);
  }

  /**
   * The same mapping in another thread: views and registers of its own on the same memory. Closing this object
   * gives up only this thread's view; the thread that mapped it unmaps it.
   * @param handle the number from the other thread's {@link Mapping.handle}.
   */
  static fromHandle(handle: number, name = `mapping ${handle}`): Mapping {
    return new Mapping(handle, name, false);
  }

  /** True after {@link close}. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The whole mapping as an ArrayBuffer. Right for DMA memory. For device registers use {@link registers}: V8 may
   * narrow, merge or drop what typed arrays do.
   * @throws VfioSystemError ENOTSUP where the JavaScript engine forbids memory outside its heap (Electron);
   * VfioError `ERR_VFIO_READ_ONLY` for a read-only mapping: an ArrayBuffer is always writable, and a store there
   * would end the process with a SIGSEGV; `ERR_VFIO_CLOSED`.
   */
  get buffer(): ArrayBuffer {
    this.#checkOpen();
    return (this.#view ??= this.#newView());
  }

  /**
   * Register accessors on this mapping: each call is exactly one access of exactly its width. Offsets are in bytes
   * and multiples of the width; numbers may be signed (-1 is 0xffffffff). A read-only mapping has no `write…`.
   * @throws VfioError `ERR_VFIO_CLOSED`. The accessors throw `ERR_VFIO_CLOSED`, and RangeErrors with the codes
   * `ERR_VFIO_REGISTER_OFFSET` and `ERR_VFIO_REGISTER_VALUE`.
   */
  get registers(): RegisterFunctions {
    this.#checkOpen();
    return (this.#registers ??= this.#newRegisters());
  }

  /**
   * Forbids closing for as long as something relies on this memory, such as a device's DMA.
   * @param reason who needs it, for the error that {@link close} then throws.
   */
  hold(reason: string): Disposable {
    this.#checkOpen();
    return this.#holds.add(reason);
  }

  /** @throws VfioError `ERR_VFIO_MAPPING_IN_USE` while somebody holds it. Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    const { reasons } = this.#holds;
    if (reasons.length > 0) throw inUseError(this.name, reasons);
    this.#closed = true;
    for (const view of [this.#view, this.#registerView]) if (view !== undefined) kernel().detachView(view);
    this.#view = undefined;
    this.#registerView = undefined;
    this.#registers = undefined;
    if (this.#owner)
      check(kernel().unmap(this.handle), () => ({ syscall: "munmap", what: `cannot unmap ${this.name}` }));
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #newView(): ArrayBuffer {
    const view = kernel().mappingView(this.handle);
    if (typeof view !== "number") return view;
    if (view === errnoOf("EBADF")) throw closedError(this.name);
    if (view === errnoOf("EACCES")) throw readOnlyError(this.name);
    throw new VfioSystemError(view, { syscall: "mmap", what: `cannot make an ArrayBuffer of ${this.name}` });
  }

  #newRegisters(): RegisterFunctions {
    const registers = kernel().registers(this.handle);
    if (typeof registers === "number") throw closedError(this.name);
    if (!this.#mayReadFast()) return registers;
    const view = kernel().mappingView(this.handle);
    // A read-only mapping has none, nor has any where the engine forbids memory outside its heap.
    if (typeof view === "number") return registers;
    this.#registerView = view;
    return fastReads(registers, view);
  }

  /** Another thread's mapping may be closed without this one's knowledge: only native calls notice that. */
  #mayReadFast(): boolean {
    return this.#owner && this.bytes <= LARGEST_FAST_BYTES && fastReadsAreProven();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.name);
  }
}

function checkRange(bytes: number, offset: number, name: string): void {
  const isSpan = Number.isSafeInteger(bytes) && bytes > 0 && Number.isSafeInteger(offset + bytes);
  if (isSpan && offset >= 0 && offset % SMALLEST_PAGE === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_MAP_RANGE",
    `cannot map ${String(bytes)} bytes at offset ${String(offset)} of ${name}: both must be whole numbers, ` +
      "the length above 0 and the offset a multiple of the page size",
  );
}

function checkAddress(address: bigint | undefined, name: string): void {
  if (address === undefined) return;
  const isPage = typeof address === "bigint" && address > 0n && address % BigInt(SMALLEST_PAGE) === 0n;
  if (isPage && BigInt.asUintN(64, address) === address) return;
  throw new VfioRangeError(
    "ERR_VFIO_MAP_RANGE",
    `cannot map ${name} at the address ${String(address)}: it must be a bigint above 0 and a multiple of the page size`,
  );
}

function mapContext(options: MapOptions, name: string, errno: number): SystemCallContext {
  const what = `cannot map ${options.bytes} bytes of ${name}`;
  return { syscall: "mmap", what, hint: () => options.hint?.() ?? remedyOf(errno, options) };
}

function remedyOf(errno: number, { bytes, address }: MapOptions): string | undefined {
  if (errno === errnoOf("ENXIO"))
    return "The range goes beyond the end of the file: make the file larger first";
  if (errno !== errnoOf("EEXIST") || address === undefined) return undefined;
  const occupant = memoryMapLines().find((line) => overlaps(line, address, address + BigInt(bytes)));
  return `The addresses are taken by: ${occupant ?? "something that has just gone"}`;
}

function memoryMapLines(): string[] {
  const maps = kernel().readText("/proc/self/maps");
  return typeof maps === "string" ? maps.split("\n") : [];
}

function overlaps(line: string, start: bigint, end: bigint): boolean {
  const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line) ?? [];
  return from !== undefined && to !== undefined && BigInt(`0x${from}`) < end && BigInt(`0x${to}`) > start;
}

function noSuchMapping(name: string): SystemCallContext {
  return {
    syscall: "mmap",
    what: `there is no ${name} in this process`,
    hint: "It was closed, or the number is from another process",
  };
}

function readOnlyError(name: string): VfioError {
  return new VfioError("ERR_VFIO_READ_ONLY", `${name} is mapped read-only and has no ArrayBuffer`, {
    hint: "A store into it would end the process: read it through `registers`, or map it writable",
  });
}

function inUseError(name: string, holders: string[]): VfioError {
  return new VfioError("ERR_VFIO_MAPPING_IN_USE", `cannot close ${name}: in use by ${holders.join(", ")}`, {
    hint: "Unmap it there first: a device must not be left writing into memory that is given away",
  });
}

import { constants } from "node:buffer";
import { argumentError, checkObject, checkText, fdOf, shownValue } from "../errors/argument-error.js";
import {
  check,
  errnoOf,
  VfioError,
  VfioRangeError,
  VfioSystemError,
  type SystemCallContext,
} from "../errors/errors.js";
import { LinearMemory, type LinearPlace } from "./linear-memory.js";
import { endExtent, linearExtent, linearRegisters, type LinearPart } from "./linear-registers.js";
import { fastReads, fastReadsAreProven } from "./fast-reads.js";
import { closedError, type HasFd } from "../files/fd.js";
import { kernel } from "../kernel/kernel.js";
import type { RegisterFunctions } from "../kernel/system-calls.js";
import type { MapOptions } from "./map-options.js";
import { systemPageBytes } from "./system-page.js";
import { checkNode, checkStep, mapError, nameOf, preparePages } from "./take-pages.js";
import { printAs } from "../errors/printed.js";
import { orUndo } from "../lifecycle/run-all.js";
import { Living } from "./living.js";

/** V8 indexes longer typed arrays with slower code. */
const LARGEST_FAST_BYTES = 2 ** 30;

const BUSY = errnoOf("EBUSY");
const DEVICE_GONE = 1;

/**
 * One shared `mmap` of a file, behind ArrayBuffer views (for memory) and exact-width register accessors (for BARs).
 *
 * Closing detaches this thread's views and takes the file's pages away at once; harmless zero memory stays in the range
 * until the last view in any thread is gone, so a stale view never ends the process with a SIGSEGV.
 *
 * Memory may go away under a mapping: the device is unplugged or stops answering, another process shrinks the file.
 * Later accesses then find all ones, and end nobody. See {@link gone}.
 *
 * A mapping belongs to its thread and goes when that thread ends, unless another one uses or holds it.
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
    printAs(Mapping, ({ name, address, bytes, closed }) => ({ name, address, bytes, closed }));
  }

  /** For {@link Mapping.fromHandle} in another thread. */
  readonly handle: number;
  readonly bytes: number;
  readonly address: bigint;
  readonly name: string;
  readonly #owner: boolean;
  /** What an end makes their lengths 0: ArrayBuffers of this thread, and parts that compiled code reaches. */
  readonly #views = new Living<ArrayBuffer>((view) => kernel().detachView(view));
  readonly #extents = new Living(endExtent);
  #place: LinearPlace | undefined;
  #whole: ArrayBuffer | undefined;
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
   * @throws VfioSystemError if `mmap` refuses, and ENXIO for a range beyond the file's end, where the first touch would
   * be a SIGBUS; with `numaNode`, if `mbind` refuses (EPERM in containers); with `populate`, ENOMEM for missing pages,
   * and VfioError `ERR_VFIO_MEMORY_EXHAUSTED` if the machine or a cgroup has less memory left than ordinary pages would
   * take; VfioRangeError `ERR_VFIO_MAP_RANGE` for a length, offset or address out of range; with `within`, VfioError
   * `ERR_VFIO_LINEAR_MEMORY_FULL`, and `ERR_VFIO_READ_ONLY` for a read-only mapping: a store there would be a SIGSEGV.
   */
  static map(options: MapOptions): Mapping {
    const mapping = Mapping.#map(options);
    const taken = options.populate === true ? kernel().populate(mapping.handle) : 0;
    checkStep(mapping, { syscall: "madvise", errno: taken }, options);
    return mapping;
  }

  /**
   * As {@link map}, but takes the pages off the event loop: for much memory that takes seconds. A thread that ends
   * waits for it.
   * @throws what {@link map} throws, as a rejection.
   */
  static async mapAsync(options: MapOptions): Promise<Mapping> {
    const mapping = Mapping.#map(options);
    const taken = options.populate === true ? await kernel().populateAsync(mapping.handle) : 0;
    checkStep(mapping, { syscall: "madvise", errno: taken }, options);
    return mapping;
  }

  static #map(options: MapOptions): Mapping {
    checkObject("what to map", options);
    const { file, bytes, offset = 0, writable = true, address, within } = options;
    const name = nameOf(options);
    checkRange(bytes, offset, name);
    checkAddress(address, name);
    checkNode(options.numaNode);
    checkWithin(within, writable, name);
    const fd = fdOf(file);
    const handle = kernel().map(fd, offset, bytes, writable, address, name);
    if (handle < 0) throw mapError({ syscall: "mmap", errno: handle }, options);
    const mapping = new Mapping(handle, name, true);
    preparePages(mapping, options);
    if (within !== undefined) mapping.#lay(within, fd, offset);
    return mapping;
  }

  /**
   * The same mapping in another thread, with its own views and registers. Closing this object gives up only this
   * thread's part; the thread that made the mapping unmaps it for all. If that thread merely ends, the memory stays for
   * the others.
   * @param handle the other thread's {@link Mapping.handle}.
   */
  static fromHandle(handle: number, name = `mapping ${shownValue(handle)}`): Mapping {
    checkText("the name of a mapping", name);
    check(kernel().joinMapping(handle), () => noSuchMapping(name));
    return new Mapping(handle, name, false);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Where it lies in a {@link LinearMemory}, if it was mapped `within` one; `undefined` after {@link close}. */
  get place(): LinearPlace | undefined {
    return this.#place;
  }

  /**
   * True once memory of this mapping has gone away: the device is gone or does not answer, the file was shrunk. The
   * first access that finds nothing, in any thread, sets it for good: map anew.
   *
   * Not every missing device shows here: one that stops answering may just read as ones.
   */
  get gone(): boolean {
    return !this.#closed && kernel().mappingGone(this.handle) > 0;
  }

  /**
   * Throws once the mapping is {@link gone}: values read since may be ones that nobody wrote.
   * @throws VfioError `ERR_VFIO_DEVICE_GONE` for a device's memory, `ERR_VFIO_MEMORY_GONE` for a file's;
   * `ERR_VFIO_CLOSED`.
   */
  checkPresent(): void {
    this.#checkOpen();
    const gone = kernel().mappingGone(this.handle);
    if (gone > 0) throw goneError(this.name, gone === DEVICE_GONE);
    // Its owner, in another thread, closed it for all: zeroes lie there now.
    if (gone < 0) throw closedError(this.name);
  }

  /**
   * The whole mapping, for DMA memory. For device registers use {@link registers}: V8 may narrow, merge or drop
   * accesses of typed arrays.
   * @throws what {@link view} throws: Node.js 20 makes no ArrayBuffer above 4 GiB.
   */
  get buffer(): ArrayBuffer {
    this.#checkOpen();
    return (this.#whole ??= this.#newView(0, this.bytes));
  }

  /**
   * A part of the mapping as an ArrayBuffer, a new one each time.
   * @param offset in bytes, a multiple of 8.
   * @param bytes the part's length. Default: up to the end.
   * @throws VfioError `ERR_VFIO_VIEW_SIZE` above this Node.js's largest ArrayBuffer (4 GiB in Node.js 20);
   * VfioRangeError `ERR_VFIO_MAP_RANGE` for a part outside the mapping; VfioSystemError ENOTSUP where the JavaScript
   * engine forbids memory outside its heap (Electron); VfioError `ERR_VFIO_READ_ONLY` for a read-only mapping: an
   * ArrayBuffer is always writable, and a store would be a SIGSEGV; `ERR_VFIO_DEVICE_GONE`, `ERR_VFIO_MEMORY_GONE`;
   * `ERR_VFIO_CLOSED`.
   */
  view(offset: number, bytes?: number): ArrayBuffer {
    this.#checkOpen();
    return this.#newView(offset, checkedLength(this, offset, bytes));
  }

  /**
   * Register accessors on this mapping: each call is one access of exactly its width. Offsets are in bytes and
   * multiples of the width; numbers may be signed (-1 is 0xffffffff). A read-only mapping has no `write…`.
   * @throws VfioError `ERR_VFIO_CLOSED`. The accessors throw `ERR_VFIO_CLOSED`, and RangeErrors with the codes
   * `ERR_VFIO_REGISTER_OFFSET` and `ERR_VFIO_REGISTER_VALUE`.
   */
  get registers(): RegisterFunctions {
    this.#checkOpen();
    return (this.#registers ??= this.#newRegisters(0, this.bytes));
  }

  /**
   * As {@link registers}, on a part of the mapping: offsets count from its start.
   * @param offset in bytes, a multiple of 8.
   * @throws VfioRangeError `ERR_VFIO_MAP_RANGE` for a part outside the mapping; otherwise as {@link registers}.
   */
  registersOf(offset: number, bytes: number): RegisterFunctions {
    this.#checkOpen();
    return this.#newRegisters(offset, checkedLength(this, offset, bytes));
  }

  /** @internal What compiled code needs to reach a part of it; `undefined` where it does not. */
  linearPart(offset: number, bytes: number): LinearPart | undefined {
    const module = fastReadsAreProven() ? this.#place?.memory.registers : undefined;
    if (module === undefined || this.#place === undefined) return undefined;
    const extent = linearExtent(this.#place.address + offset, bytes);
    this.#extents.add(extent);
    return { module, extent };
  }

  /**
   * Forbids closing, in every thread, while something such as a device's DMA needs this memory.
   * @param reason who needs it, for the error that {@link close} then throws.
   * @param file the container in which the memory is mapped for DMA. If this thread ends while another has the file
   * open, the hold keeps the memory until the file is closed.
   * @throws VfioError `ERR_VFIO_DEVICE_GONE`, `ERR_VFIO_MEMORY_GONE`; `ERR_VFIO_CLOSED`.
   */
  hold(reason: string, file?: HasFd): Disposable {
    checkText("the reason of a hold", reason);
    this.checkPresent();
    const fd = file === undefined ? -1 : fdOf(file);
    return new Hold(check(kernel().holdMapping(this.handle, reason, fd), () => noSuchMapping(this.name)));
  }

  /**
   * Ends the mapping; one from {@link fromHandle} only gives up this thread's part. Closing twice does nothing.
   * @throws VfioError `ERR_VFIO_MAPPING_IN_USE` while any thread holds it; one from `fromHandle`, while this thread
   * does.
   */
  close(): void {
    if (this.#closed) return;
    const result = this.#owner ? kernel().unmap(this.handle) : kernel().leaveMapping(this.handle);
    if (result === BUSY) throw inUseError(this.name, kernel().mappingHolders(this.handle));
    this.#closed = true;
    this.#takeOut();
    this.#views.endAll();
    this.#whole = undefined;
    this.#registers = undefined;
    check(result, () => ({ syscall: "munmap", what: `cannot unmap ${this.name}` }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #newView(offset: number, bytes: number): ArrayBuffer {
    if (bytes > constants.MAX_LENGTH) throw viewSizeError(this.name, bytes);
    this.checkPresent();
    const view = kernel().mappingView(this.handle, offset, bytes);
    if (typeof view !== "number") return this.#kept(view);
    if (view === errnoOf("EBADF")) throw closedError(this.name);
    if (view === errnoOf("EACCES")) throw readOnlyError(this.name, "has no ArrayBuffer");
    throw new VfioSystemError(view, { syscall: "mmap", what: `cannot make an ArrayBuffer of ${this.name}` });
  }

  #newRegisters(offset: number, bytes: number): RegisterFunctions {
    const registers = kernel().registers(this.handle, offset, bytes);
    if (typeof registers === "number") throw closedError(this.name);
    const linear = this.linearPart(offset, bytes);
    if (linear !== undefined) return linearRegisters(registers, linear);
    if (!this.#mayReadFast()) return registers;
    // Views for internal use: the user may transfer the others away.
    const view = kernel().mappingView(this.handle, offset, bytes);
    // A read-only mapping has no view, nor has any where the engine forbids memory outside its heap.
    return typeof view === "number" ? registers : fastReads(registers, this.#kept(view));
  }

  #lay(memory: LinearMemory, fd: number, offset: number): void {
    const { handle, name } = this;
    orUndo(
      () => (this.#place = { memory, address: memory.lay({ handle, fd, offset, name }) }),
      () => this.close(),
    );
  }

  /** The pages were taken out when the mapping was closed. */
  #takeOut(): void {
    if (this.#place === undefined) return;
    this.#extents.endAll();
    this.#place.memory.giveBack(this.handle);
    this.#place = undefined;
  }

  #kept(view: ArrayBuffer): ArrayBuffer {
    this.#views.add(view);
    return view;
  }

  /** Another thread's mapping may be closed without this one's knowledge: only native calls notice. */
  #mayReadFast(): boolean {
    return this.#owner && this.bytes <= LARGEST_FAST_BYTES && fastReadsAreProven();
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.name);
  }
}

/** Whoever has the memory can store anywhere in it; into a read-only page that would be a SIGSEGV. */
function checkWithin(memory: LinearMemory | undefined, writable: boolean, name: string): void {
  if (memory === undefined) return;
  if (!(memory instanceof LinearMemory)) throw argumentError("within", "a LinearMemory", memory);
  if (!writable) throw readOnlyError(name, "cannot lie in a WebAssembly memory");
}

function checkRange(bytes: number, offset: number, name: string): void {
  const areWhole = [bytes, offset].every(Number.isSafeInteger) && Number.isSafeInteger(offset + bytes);
  if (areWhole && bytes > 0 && offset >= 0 && offset % systemPageBytes() === 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_MAP_RANGE",
    `cannot map ${shownValue(bytes)} bytes at offset ${shownValue(offset)} of ${name}: both must be whole numbers, ` +
      `the length above 0 and the offset a multiple of the page size, ${systemPageBytes()}`,
  );
}

function checkAddress(address: bigint | undefined, name: string): void {
  if (address === undefined) return;
  const isPage = typeof address === "bigint" && address > 0n && address % BigInt(systemPageBytes()) === 0n;
  if (isPage && BigInt.asUintN(64, address) === address) return;
  throw new VfioRangeError(
    "ERR_VFIO_MAP_RANGE",
    `cannot map ${name} at the address ${shownValue(address)}: it must be a bigint above 0 and a multiple of the page size, ` +
      String(systemPageBytes()),
  );
}

export function checkedLength(
  { bytes: all, name }: Mapping,
  offset: number,
  bytes: number | undefined,
): number {
  const isOffset = Number.isSafeInteger(offset) && offset >= 0 && offset <= all && offset % 8 === 0;
  const length = isOffset && bytes === undefined ? all - offset : (bytes ?? NaN);
  if (isOffset && Number.isSafeInteger(length) && length >= 0 && offset + length <= all) return length;
  throw new VfioRangeError(
    "ERR_VFIO_MAP_RANGE",
    `there are no ${bytes === undefined ? "" : `${shownValue(bytes)} `}bytes at offset ${shownValue(offset)} of ${name} (${all} bytes), ` +
      "or the offset is no multiple of 8",
  );
}

function noSuchMapping(name: string): SystemCallContext {
  const hint = "It was closed, or the number is from another process";
  return { syscall: "mmap", what: `there is no ${name} in this process`, hint };
}

function readOnlyError(name: string, lack: string): VfioError {
  return new VfioError("ERR_VFIO_READ_ONLY", `${name} is mapped read-only and ${lack}`, {
    hint: "A store into it would end the process: read it through `registers`, or map it writable",
  });
}

function inUseError(name: string, holders: string[]): VfioError {
  return new VfioError("ERR_VFIO_MAPPING_IN_USE", `cannot close ${name}: in use by ${holders.join(", ")}`, {
    hint:
      "Unmap it there first: no device may write into memory that is released. If the thread that " +
      "mapped it has ended, close the container",
  });
}

function viewSizeError(name: string, bytes: number): VfioError {
  const limit = `Node.js ${process.versions.node} allows ${constants.MAX_LENGTH}`;
  const problem = `cannot make an ArrayBuffer of ${bytes} bytes of ${name}: ${limit}`;
  const hint = "Use smaller windows, view(offset, bytes), or Node.js 22 or newer";
  return new VfioError("ERR_VFIO_VIEW_SIZE", problem, { hint });
}

function goneError(name: string, isDevice: boolean): VfioError {
  const what = isDevice ? `${name} does not answer` : `pages of ${name} are gone`;
  const hint = isDevice
    ? "The device was pulled out or reset, or its memory space was switched off: close its regions, and map them again"
    : "A process shrank the file, or the kernel had no page left: close the mapping";
  const code = isDevice ? "ERR_VFIO_DEVICE_GONE" : "ERR_VFIO_MEMORY_GONE";
  return new VfioError(code, `${what}: the ones read there are not data`, { hint });
}

/** A class, not an object literal: every DMA mapping makes one, and a method costs nothing per object. */
class Hold implements Disposable {
  readonly #number: number;

  constructor(number: number) {
    this.#number = number;
  }

  [Symbol.dispose](): void {
    kernel().releaseHold(this.#number);
  }
}

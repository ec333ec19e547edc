import { check, VfioError, VfioRangeError, VfioSystemError, type SystemCallContext } from "./errors.js";
import { closedError, type HasFd } from "./fd.js";
import { kernel, type RegisterFunctions } from "./kernel.js";

/** Options of {@link Mapping.map}. */
export interface MapOptions {
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
  /** What it is, for error messages. */
  readonly name: string;
}

/**
 * One shared `mmap` of a file, behind ArrayBuffer views (for memory) and exact-width register accessors (for BARs).
 *
 * Closing detaches this thread's view and takes the file's pages away at once; harmless zero memory stays in the
 * range until the last view in any thread is gone, so a stale view never ends the process with a SIGSEGV.
 */
export class Mapping implements Disposable {
  /** The mapping's number in this process: another thread's {@link Mapping.fromHandle} takes it. */
  readonly handle: number;
  readonly bytes: number;
  /** Where it lies in this process's address space. */
  readonly address: bigint;
  readonly name: string;
  readonly #owner: boolean;
  readonly #holds = new Set<string>();
  #view: ArrayBuffer | undefined;
  #registers: RegisterFunctions | undefined;
  #closed = false;

  private constructor(handle: number, name: string, owner: boolean) {
    this.handle = handle;
    this.name = name;
    this.#owner = owner;
    this.bytes = check(kernel().mappingLength(handle), () => noSuchMapping(name));
    this.address = kernel().mappingAddress(handle) as bigint;
  }

  /**
   * Maps a file (`mmap(2)`, MAP_SHARED).
   * @throws VfioSystemError for what `mmap` refuses; VfioRangeError `ERR_VFIO_MAP_RANGE` for a length or offset
   * that is not a whole number in range.
   */
  static map(options: MapOptions): Mapping {
    const { file, bytes, offset = 0, writable = true, populate = false, address, name } = options;
    checkRange(bytes, offset, name);
    const handle = kernel().map(file.fd, offset, bytes, writable, populate, address);
    check(handle, () => ({ syscall: "mmap", what: `cannot map ${bytes} bytes of ${name}` }));
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

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The whole mapping as an ArrayBuffer. Right for DMA memory. For device registers use {@link registers}: V8 may
   * narrow, merge or drop what typed arrays do.
   * @throws VfioSystemError ENOTSUP where the JavaScript engine forbids memory outside its heap (Electron).
   */
  get buffer(): ArrayBuffer {
    this.#checkOpen();
    return (this.#view ??= this.#newView());
  }

  /** Register accessors on this mapping: each call is exactly one access of exactly its width. */
  get registers(): RegisterFunctions {
    this.#checkOpen();
    return (this.#registers ??= kernel().registers(this.handle) as RegisterFunctions);
  }

  /**
   * Forbids closing for as long as something relies on this memory, such as a device's DMA.
   * @param reason who needs it, for the error that {@link close} then throws.
   */
  hold(reason: string): Disposable {
    this.#checkOpen();
    this.#holds.add(reason);
    return { [Symbol.dispose]: () => void this.#holds.delete(reason) };
  }

  /** @throws VfioError `ERR_VFIO_MAPPING_IN_USE` while somebody holds it. Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    if (this.#holds.size > 0) throw inUseError(this.name, [...this.#holds]);
    this.#closed = true;
    if (this.#view !== undefined) kernel().detachView(this.#view);
    this.#view = undefined;
    this.#registers = undefined;
    if (this.#owner)
      check(kernel().unmap(this.handle), () => ({ syscall: "munmap", what: `cannot unmap ${this.name}` }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #newView(): ArrayBuffer {
    const view = kernel().mappingView(this.handle);
    if (typeof view !== "number") return view;
    throw new VfioSystemError(view, { syscall: "mmap", what: `cannot make an ArrayBuffer of ${this.name}` });
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.name);
  }
}

function checkRange(bytes: number, offset: number, name: string): void {
  if (Number.isSafeInteger(bytes) && bytes > 0 && Number.isSafeInteger(offset) && offset >= 0) return;
  throw new VfioRangeError(
    "ERR_VFIO_MAP_RANGE",
    `cannot map ${bytes} bytes at offset ${offset} of ${name}: both must be whole numbers, and the length above 0`,
  );
}

function noSuchMapping(name: string): SystemCallContext {
  return {
    syscall: "mmap",
    what: `there is no ${name} in this process`,
    hint: "It was closed, or the number is from another process",
  };
}

function inUseError(name: string, holders: string[]): VfioError {
  return new VfioError("ERR_VFIO_MAPPING_IN_USE", `cannot close ${name}: in use by ${holders.join(", ")}`, {
    hint: "Unmap it there first: a device must not be left writing into memory that is given away",
  });
}

import {
  Mapping,
  VfioError,
  type BulkAccess,
  type RegionWindow,
  type RegisterAccess,
  type RegisterArray,
  type RegisterFunctions,
  SharedFile,
} from "@vfio/ioctl-native";
import {
  checkFunction,
  checkOptions,
  closedError,
  closings,
  runAll,
  printAs,
} from "@vfio/ioctl-native/internal";
import { pollMask, pollMaskSync, pollTarget, type PollOptions, type PollSyncOptions } from "./poll-mask.js";
import { readOnly } from "./read-only.js";
import { memoryWindow } from "./memory-window.js";
import { fileAccess, type RegionAccess, type SharedAccess, type SharedRegionFile } from "./region-access.js";
import {
  checkWindows,
  windowOf,
  type MappedWindow,
  type RegionParts,
  type SharedRegion,
} from "./region-parts.js";
import { partOf } from "./region-part.js";
import { SingleAccesses } from "./single-accesses.js";
import { WindowedAccesses } from "./windowed-accesses.js";

/**
 * An open region: mapped, accessed by `pread` and `pwrite`, or both; a driver need not care. Every accessor call is one
 * access of exactly its width, in order. An offset outside the region or not a multiple of the width is a RangeError
 * `ERR_VFIO_REGISTER_OFFSET`, one that is out of reach a RangeError `ERR_VFIO_REGION_HOLE`; a write to a ROM is
 * `ERR_VFIO_READ_ONLY`, and any use after close `ERR_VFIO_CLOSED`.
 *
 * Where mapped, values are the device's bytes in the machine's byte order, which is PCI's on a little-endian machine.
 * Elsewhere each access is a system call that can fail (VfioSystemError; EIO: the device's memory space is switched
 * off), and 64 bits are no single access (`ERR_VFIO_REGISTER_WIDTH`).
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 *
 * using pci = new PciDevice(device);
 *
 * using bar = pci.bar(0).open();
 * bar.write32(0x14, 1); // one store of 32 bits
 * bar.writeFlush32(0x18, 1, 0x1c); // and this one is there when the read of 0x1c is
 * await bar.pollMask(0x1c, 1, 1, { timeoutMs: 500 }); // until bit 0 is set
 * const block = new Uint32Array(64);
 * bar.readBlock(0x100, block); // 64 loads of 32 bits, in order
 * ```
 */
export class OpenRegion implements RegisterFunctions, Disposable {
  static {
    printAs(OpenRegion, (it) => ({
      name: it.name,
      bytes: it.bytes,
      mapped: it.windows.length > 0,
      closed: it.#closed,
    }));
  }

  /** 0–5 are the BARs, 6 the ROM, 7 the config space, 8 VGA. */
  readonly index: number;
  /** For messages: "BAR0 of 0000:00:10.0". */
  readonly name: string;
  readonly bytes: number;
  /** The mapped parts, in order: one window for the whole region, several, or none. */
  readonly windows: readonly MappedWindow[];
  /** At any byte offset. */
  readonly read8: RegisterFunctions["read8"];
  /** At a multiple of 2. */
  readonly read16: RegisterFunctions["read16"];
  /** At a multiple of 4. The value is not negative. */
  readonly read32: RegisterFunctions["read32"];
  /** At a multiple of 8. */
  readonly read64: RegisterFunctions["read64"];
  /** At any byte offset. */
  readonly write8: RegisterFunctions["write8"];
  /** At a multiple of 2. */
  readonly write16: RegisterFunctions["write16"];
  /** At a multiple of 4. */
  readonly write32: RegisterFunctions["write32"];
  /** At a multiple of 8. */
  readonly write64: RegisterFunctions["write64"];
  readonly #parts: RegionParts;
  readonly #windows: readonly RegionWindow[];
  readonly #access: RegisterAccess;
  readonly #rest: RegionAccess | undefined;
  readonly #closeListeners = new Set<() => void>();
  #shared: SharedAccess | undefined;
  #closed = false;

  /** Programs call `pci.bar(index).map()` or `open()`. The mappings and the hold then belong to this object. */
  constructor(parts: RegionParts) {
    checkWindows("the parts of a region", parts);
    this.#parts = parts;
    this.index = parts.index;
    this.name = parts.name;
    this.bytes = parts.bytes;
    this.#windows = parts.windows.map(windowOf);
    this.windows = this.#windows.map(({ offset, bytes, handle, place }) => {
      return { offset, bytes, ...(handle !== undefined && { handle }), ...(place && { place }) };
    });
    const { file } = parts;
    this.#rest = file && "device" in file ? fileAccess(file, this.name) : file;
    this.#access = this.#reached();
    // The native functions themselves: a method around each would double its cost.
    const { registers } = this.#access;
    const { read8, read16, read32, read64 } = registers;
    const { write8, write16, write32, write64 } = parts.writable ? registers : readOnly(registers, this.name);
    this.read8 = read8;
    this.read16 = read16;
    this.read32 = read32;
    this.read64 = read64;
    this.write8 = write8;
    this.write16 = write16;
    this.write32 = write32;
    this.write64 = write64;
  }

  /**
   * A region that another thread of this process has open, for this thread. It belongs to that thread: when that closes
   * it, every access here is `ERR_VFIO_CLOSED`. Closing it here unmaps nothing: of a region mapped in one piece,
   * `read8` to `write64` work on until then.
   * @param shared the result of {@link share} in the other thread.
   * @throws if closed already, VfioSystemError EBADF (mapped) or VfioError `ERR_VFIO_CLOSED`; VfioRangeError
   * `ERR_VFIO_ARGUMENT`.
   */
  static fromShared(shared: SharedRegion): OpenRegion {
    checkWindows("what was shared", shared);
    const { windows, file, ...shape } = shared;
    const mapped = windows.map(({ offset, handle }) => ({
      offset,
      mapping: Mapping.fromHandle(handle, shape.name),
    }));
    const device = file && new SharedFile(file, shape.name);
    device?.checkOpen();
    return new OpenRegion({
      ...shape,
      windows: mapped,
      file: device && { device, offset: file.offset },
    });
  }

  /**
   * A region in plain memory, to test a register table or a driver without a device. Little-endian.
   * @param memory bytes, or a mapping, which is then closed with the region.
   * @param name for error messages.
   * @throws VfioRangeError `ERR_VFIO_ARGUMENT` for anything else.
   * @example
   * ```ts
   * import { defineRegisters, OpenRegion } from "@vfio/pci-bar";
   *
   * const memory = new Uint8Array(64);
   * using region = OpenRegion.inMemory(memory);
   * const regs = defineRegisters({ control: { offset: 8, fields: { enable: { bit: 0 } } } }).on(region);
   * regs.control.modify({ enable: true });
   * console.log(memory[8]); // 1
   * ```
   */
  static inMemory(memory: Uint8Array | Mapping, name = "memory"): OpenRegion {
    const shape = { index: 0, name, bytes: 0, writable: true };
    const window = memoryWindow(memory, name);
    return new OpenRegion({ ...shape, bytes: window.bytes, windows: [window] });
  }

  /**
   * A part of this region as a region of its own, whose offsets count from its start: a doorbell, a queue's registers.
   * It lies in one of the {@link windows}, and is as fast as a region mapped in one piece. It is closed with this
   * region; closing it unmaps nothing. Other threads make parts of their own region.
   * @param offset in bytes, a multiple of 8.
   * @param bytes from 1.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_OFFSET` for a part outside the region; `ERR_VFIO_REGION_HOLE` for one not
   * in one window; VfioError `ERR_VFIO_CLOSED`.
   * @example
   * ```ts
   * // needs a device
   * import { PciDevice } from "@vfio/pci-bar";
   *
   * using pci = new PciDevice(device);
   * using bar = pci.bar(0).open();
   * const doorbells = bar.part(0x1000, 0x1000);
   * doorbells.write32(0x8, 1); // one store at 0x1008 of the BAR
   * ```
   */
  part(offset: number, bytes: number): OpenRegion {
    this.#checkOpen();
    const { index, writable } = this.#parts;
    const windows = [partOf(this.#parts, this.#windows, offset, bytes)];
    const name = `${this.name}, from 0x${offset.toString(16)} on`;
    const part = new OpenRegion({ index, name, bytes, writable, windows });
    const close = (): void => part.close();
    this.#closeListeners.add(close);
    part.onClose(() => this.#closeListeners.delete(close));
    return part;
  }

  /**
   * Input of {@link fromShared} in another thread: plain data for `postMessage` or `workerData`. If part of the region
   * is not mapped, the first call duplicates the device's fd for the other threads; {@link close} closes it after
   * accesses in progress.
   * @throws VfioError `ERR_VFIO_REGION_NOT_SHARED` for a {@link part}, memory of this thread, and a device that only
   * this thread reaches; `ERR_VFIO_CLOSED`; VfioSystemError EMFILE.
   */
  share(): SharedRegion {
    this.#checkOpen();
    const { index, name, bytes, writable } = this.#parts;
    const windows = this.windows.map(({ offset, bytes: length, handle }) => {
      if (handle === undefined) throw notSharedError(name);
      return { offset, bytes: length, handle };
    });
    return { index, name, bytes, writable, windows, file: this.#shareFile() };
  }

  /**
   * Reads neighbouring registers, one access of the element's width for each element, in order.
   * @param offset of the first, in bytes; a multiple of the element's width.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_VALUE` for another kind of array; the errors of a single access, before
   * anything is read, unless a system call fails on the way.
   */
  readBlock(offset: number, target: RegisterArray): void {
    this.#bulk.readBlock(offset, target);
  }

  /** Writes neighbouring registers, one access for each element, in order. Throws as {@link readBlock}. */
  writeBlock(offset: number, source: RegisterArray): void {
    this.#bulk.writeBlock(offset, source);
  }

  /** Reads the same register once for each element: a FIFO's data register. Throws as {@link readBlock}. */
  readFifo(offset: number, target: RegisterArray): void {
    this.#bulk.readFifo(offset, target);
  }

  /** Writes the same register once for each element. Throws as {@link readBlock}. */
  writeFifo(offset: number, source: RegisterArray): void {
    this.#bulk.writeFifo(offset, source);
  }

  /**
   * One 64-bit load without a bigint: `halves[0]` becomes the lower half, `halves[1]` the upper.
   * @throws VfioRangeError `ERR_VFIO_REGISTER_VALUE` for anything but a Uint32Array of 2 or more; as {@link read64}.
   */
  readHalves(offset: number, halves: Uint32Array): void {
    this.#bulk.readHalves(offset, halves);
  }

  /** One 64-bit store of a lower and an upper half, without a bigint. Throws as {@link write64}. */
  writeHalves(offset: number, low: number, high: number): void {
    this.#bulk.writeHalves(offset, low, high);
  }

  /**
   * Writes 8 bits, and reads back: bridges post writes, and a read from the same device arrives after them.
   * @param readBack the register to read. Default: the same; name another if reading it has side effects.
   * @returns the value read.
   */
  writeFlush8(offset: number, value: number, readBack = offset): number {
    this.write8(offset, value);
    return this.read8(readBack);
  }

  /** As {@link writeFlush8}, for 16 bits. */
  writeFlush16(offset: number, value: number, readBack = offset): number {
    this.write16(offset, value);
    return this.read16(readBack);
  }

  /** As {@link writeFlush8}, for 32 bits. */
  writeFlush32(offset: number, value: number, readBack = offset): number {
    this.write32(offset, value);
    return this.read32(readBack);
  }

  /** As {@link writeFlush8}, for 64 bits. */
  writeFlush64(offset: number, value: bigint, readBack = offset): bigint {
    this.write64(offset, value);
    return this.read64(readBack);
  }

  /**
   * Waits until the bits under a mask have a value, in looks of up to 50 µs between which the event loop runs. Reads
   * the register at least once. A device that answers no longer reads as all ones, which satisfies a wait for set bits:
   * then check `pci.present`, or a bit that is never set.
   * @param mask the bits to look at; with bigints, the register has 64 bits.
   * @param value the wanted bits, at their places in the register.
   * @returns the whole register.
   * @throws VfioError `ERR_VFIO_TIMEOUT` with the last value; the signal's reason when aborted, or `ERR_VFIO_ABORTED`
   * if that is no Error; VfioRangeError `ERR_VFIO_POLL_TARGET` for a mask and value that can never match,
   * `ERR_VFIO_WAIT_ARGUMENT` for an invalid time; VfioError `ERR_VFIO_DEVICE_GONE` if the memory has gone away
   * ({@link gone}); the errors of a read.
   */
  pollMask(offset: number, mask: number, value: number, options?: PollOptions): Promise<number>;
  /** For 64 bits. */
  pollMask(
    offset: number,
    mask: bigint,
    value: bigint,
    options?: Omit<PollOptions, "width">,
  ): Promise<bigint>;
  async pollMask(
    offset: number,
    mask: number | bigint,
    value: number | bigint,
    options: PollOptions = {},
  ): Promise<number | bigint> {
    checkOptions("the options of pollMask()", options);
    const target = pollTarget(this.name, offset, mask, value, options.width);
    return pollMask(this.#bulk, target, options);
  }

  /** As {@link pollMask}, but blocks the thread: for waits of microseconds. Default timeout: 10 ms. */
  pollMaskSync(offset: number, mask: number, value: number, options?: PollSyncOptions): number;
  /** For 64 bits. */
  pollMaskSync(offset: number, mask: bigint, value: bigint, options?: Omit<PollSyncOptions, "width">): bigint;
  pollMaskSync(
    offset: number,
    mask: number | bigint,
    value: number | bigint,
    options: PollSyncOptions = {},
  ): number | bigint {
    checkOptions("the options of pollMaskSync()", options);
    const { width, timeoutMs } = options;
    return pollMaskSync(this.#bulk, pollTarget(this.name, offset, mask, value, width), timeoutMs);
  }

  /**
   * True once memory of a mapped window has gone away, as when the device's memory space is switched off or the device
   * unplugged: values read since may be ones that nobody wrote. It stays so: close the region and map it anew.
   */
  get gone(): boolean {
    return this.#windows.some((window) => window.isGone());
  }

  /** Calls back when this region is closed. */
  onClose(listener: () => void): void {
    checkFunction("the listener of onClose()", listener);
    this.#closeListeners.add(listener);
  }

  /** Closing twice does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    runAll([
      ...closings(this.#windows),
      () => this.#shared?.close(),
      () => this.#parts.hold?.[Symbol.dispose](),
      ...this.#closeListeners,
    ]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** A region in one piece is accessed directly; otherwise windows are looked up. */
  #reached(): RegisterAccess {
    const [first] = this.#windows;
    if (first?.bytes === this.bytes) return first;
    const rest = this.#rest && new SingleAccesses(this.#parts, this.#rest, () => this.#checkOpen());
    return first === undefined && rest !== undefined
      ? rest
      : new WindowedAccesses(this.#parts, this.#windows, rest);
  }

  /** One duplicate, however often the region is shared. */
  #shareFile(): SharedRegionFile | undefined {
    if (this.#rest === undefined || this.#access === this.#windows[0]) return undefined;
    this.#shared ??= this.#rest.share?.();
    if (this.#shared === undefined) throw notSharedError(this.name);
    return this.#shared.file;
  }

  get #bulk(): BulkAccess {
    this.#checkOpen();
    return this.#access.bulk;
  }

  #checkOpen(): void {
    if (this.#closed) throw closedError(this.name);
  }
}

function notSharedError(name: string): VfioError {
  return new VfioError("ERR_VFIO_REGION_NOT_SHARED", `${name} cannot be reached by other threads`, {
    hint: "Share the whole region of a real device, and take its part() there",
  });
}

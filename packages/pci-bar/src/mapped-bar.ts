import { runAll, type Mapping, type RegisterFunctions } from "@vfio/ioctl-native";

/**
 * A BAR mapped into this process. Every accessor call is exactly one access of exactly its width, in order; an
 * offset outside the BAR or not a multiple of the width is a RangeError `ERR_VFIO_REGISTER_OFFSET`, and after close
 * every call throws `ERR_VFIO_CLOSED`.
 *
 * Values are the device's bytes in the machine's byte order; on a little-endian machine that is PCI's own.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 * import { Container, iommuGroupOf } from "@vfio/vfio-core";
 *
 * using container = Container.open();
 * using group = container.addGroup(iommuGroupOf("0000:00:10.0"));
 * using device = group.openDevice("0000:00:10.0");
 * using pci = new PciDevice(device);
 * const registers = pci.bar(0).map();
 * registers.write32(0x04, 0x12345678); // one store of exactly 32 bits
 * console.log(registers.read32(0x04)); // one load
 * ```
 */
export class MappedBar implements RegisterFunctions, Disposable {
  /** Which BAR: 0 to 5. */
  readonly index: number;
  /** One 8-bit load at a byte offset. */
  readonly read8: RegisterFunctions["read8"];
  /** One 16-bit load at a multiple of 2. */
  readonly read16: RegisterFunctions["read16"];
  /** One 32-bit load at a multiple of 4. The value is not negative. */
  readonly read32: RegisterFunctions["read32"];
  /** One 64-bit load; the value is a bigint. */
  readonly read64: RegisterFunctions["read64"];
  /** One 8-bit store at a byte offset. */
  readonly write8: RegisterFunctions["write8"];
  /** One 16-bit store at a multiple of 2. */
  readonly write16: RegisterFunctions["write16"];
  /** One 32-bit store at a multiple of 4. */
  readonly write32: RegisterFunctions["write32"];
  /** One 64-bit store of a bigint. */
  readonly write64: RegisterFunctions["write64"];
  readonly #mapping: Mapping;
  readonly #hold: Disposable | undefined;
  readonly #closeListeners: (() => void)[] = [];

  /** Programs call `pci.bar(index).map()`. */
  constructor(index: number, mapping: Mapping, hold: Disposable | undefined) {
    this.index = index;
    this.#mapping = mapping;
    this.#hold = hold;
    // Own properties that hold the native functions themselves: a method around each would double its cost.
    const registers = mapping.registers;
    this.read8 = registers.read8;
    this.read16 = registers.read16;
    this.read32 = registers.read32;
    this.read64 = registers.read64;
    this.write8 = registers.write8;
    this.write16 = registers.write16;
    this.write32 = registers.write32;
    this.write64 = registers.write64;
  }

  /** Its length. */
  get bytes(): number {
    return this.#mapping.bytes;
  }

  /** The mapping's number: a worker thread gets its own accessors with `Mapping.fromHandle`. */
  get handle(): number {
    return this.#mapping.handle;
  }

  /** Calls back when this mapping is closed. */
  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  /** Closing twice does nothing. */
  close(): void {
    runAll([
      () => this.#mapping.close(),
      () => this.#hold?.[Symbol.dispose](),
      ...this.#closeListeners.splice(0),
    ]);
  }

  /** As {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}

import { VfioRangeError, type DeviceCalls } from "@vfio/ioctl-native";
import { deviceCallsOf, vfioConstants, type VfioDevice } from "@vfio/ioctl-native/vfio";
import { printAs, regionName } from "@vfio/ioctl-native/internal";
import { CommandRegister } from "./command-register.js";
import { ConfigPicture } from "../config/config-reader.js";
import { decodeConfig, type PciConfig } from "../config/pci-config.js";
import { checkValue } from "../registers/register-value.js";
import { StatusRegister } from "./status-register.js";

type Width = 1 | 2 | 4;

const CONFIG = vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX;
const ROM = vfioConstants.VFIO_PCI_ROM_REGION_INDEX;

/**
 * A device's PCI configuration space; multi-byte registers are little-endian on every machine.
 * @example
 * ```ts
 * // needs a device
 * import { PciDevice } from "@vfio/pci-bar";
 *
 * using pci = new PciDevice(device);
 *
 * console.log(pci.config.read16(0x00).toString(16)); // the vendor
 * console.log(pci.config.decode().capability("pci-express")?.link?.current);
 * console.log(pci.config.describe()); // as lspci -vv
 * pci.config.command.set("intxDisabled", true);
 * ```
 */
export class ConfigSpace {
  static {
    printAs(ConfigSpace, (it) => ({ device: it.#device.name, bytes: it.bytes }));
  }

  /** 256 bytes, or 4096 for PCI Express. */
  readonly bytes: number;
  /** For example `config.command.set("intxDisabled", true)`. */
  readonly command: CommandRegister;
  /** For example `config.status.read().capabilities`. */
  readonly status: StatusRegister;
  readonly #device: DeviceCalls;
  readonly #beforeWrite: (offset: number, value: number) => void;
  readonly #checkOpen: () => void;
  readonly #name: string;
  /** The bytes of the access in progress: there is one at a time. */
  readonly #view = new DataView(new ArrayBuffer(4));
  readonly #carried = {
    1: new Uint8Array(this.#view.buffer, 0, 1),
    2: new Uint8Array(this.#view.buffer, 0, 2),
    4: new Uint8Array(this.#view.buffer),
  };

  /**
   * @param beforeWrite throws for a forbidden write.
   * @param checkOpen throws once no access is allowed.
   */
  constructor(
    device: DeviceCalls | VfioDevice,
    beforeWrite: (offset: number, value: number) => void = () => undefined,
    checkOpen: () => void = () => undefined,
  ) {
    this.#device = deviceCallsOf(device);
    this.#beforeWrite = beforeWrite;
    this.#checkOpen = checkOpen;
    this.#name = regionName(CONFIG, this.#device.name);
    this.bytes = this.#device.region(CONFIG).bytes;
    this.command = new CommandRegister(this, this.#device.name);
    this.status = new StatusRegister(this, this.#device.name);
  }

  /**
   * Reads 8 bits.
   * @param offset in bytes from the start of the config space, within it.
   * @throws VfioRangeError `ERR_VFIO_CONFIG_OFFSET`; VfioSystemError; VfioError `ERR_VFIO_SHORT_IO`.
   */
  read8(offset: number): number {
    return this.#fetch(offset, 1).getUint8(0);
  }

  /** Reads 16 bits at a multiple of 2. Throws as {@link read8}. */
  read16(offset: number): number {
    return this.#fetch(offset, 2).getUint16(0, true);
  }

  /** Reads 32 bits at a multiple of 4. Throws as {@link read8}. */
  read32(offset: number): number {
    return this.#fetch(offset, 4).getUint32(0, true);
  }

  /** Reads many bytes at once. Throws as {@link read8}. */
  read(offset: number, bytes: number): Uint8Array {
    this.#check(offset, bytes, 1);
    const all = new Uint8Array(bytes);
    this.#checkOpen();
    this.#device.readRegion(CONFIG, offset, all);
    return all;
  }

  /**
   * Reads all of the config space and decodes header and capabilities; wrong contents are data, no error: see
   * {@link decodeConfig}. vfio-pci answers some registers itself (the BARs, parts of the command register and of MSI) and
   * hides capabilities that are not for userspace.
   * @throws VfioSystemError; VfioError `ERR_VFIO_SHORT_IO`.
   */
  decode(): PciConfig {
    return decodeConfig(new ConfigPicture(this.read(0, this.bytes)));
  }

  /**
   * The text of `lspci -vv -nn` about the device, without vendor and device names, and with the kernel's sizes of its
   * regions. Throws as {@link decode}.
   */
  describe(): string {
    const { bdf } = this.#device;
    const regionBytes = Array.from({ length: ROM + 1 }, (_, index) => this.#device.region(index).bytes);
    return this.decode().describe({ name: bdf, regionBytes });
  }

  /** Writes 8 bits. Throws as {@link read8}. */
  write8(offset: number, value: number): void {
    this.#write(offset, 1, value);
  }

  /** Writes 16 bits at a multiple of 2. Throws as {@link read8}. */
  write16(offset: number, value: number): void {
    this.#write(offset, 2, value);
  }

  /** Writes 32 bits at a multiple of 4. Throws as {@link read8}. */
  write32(offset: number, value: number): void {
    this.#write(offset, 4, value);
  }

  #fetch(offset: number, width: Width): DataView {
    this.#check(offset, width, width);
    this.#checkOpen();
    this.#device.readRegion(CONFIG, offset, this.#carried[width]);
    return this.#view;
  }

  #write(offset: number, width: Width, value: number): void {
    this.#check(offset, width, width);
    checkValue(value, width);
    this.#beforeWrite(offset, value);
    this.#checkOpen();
    // The check reads other registers, so the value is written to the view last.
    this.#view.setInt32(0, value, true);
    this.#device.writeRegion(CONFIG, offset, this.#carried[width]);
  }

  #check(offset: number, bytes: number, alignment: number): void {
    const whole = Number.isInteger(offset) && offset >= 0 && offset % alignment === 0;
    if (whole && Number.isInteger(bytes) && bytes > 0 && offset + bytes <= this.bytes) return;
    throw new VfioRangeError(
      "ERR_VFIO_CONFIG_OFFSET",
      `${String(bytes)} bytes at offset ${String(offset)} are not in ${this.#name} (${this.bytes} bytes), or not aligned to ${alignment}`,
    );
  }
}

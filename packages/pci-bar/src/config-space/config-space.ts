import { printAs, readAt, vfioConstants, VfioRangeError, writeAt, type RegionInfo } from "@vfio/ioctl-native";
import { CommandRegister } from "./command-register.js";
import { ConfigPicture } from "../config/config-reader.js";
import { decodeConfig, type PciConfig } from "../config/pci-config.js";
import { readRegionInfo } from "../regions/region.js";
import { checkValue } from "../registers/register-value.js";
import { StatusRegister } from "./status-register.js";
import { nameOf, type VfioDevice } from "../device/vfio-device.js";

type Width = 1 | 2 | 4;

const ROM = vfioConstants.VFIO_PCI_ROM_REGION_INDEX;

/**
 * A device's PCI configuration space; multi-byte registers are little-endian whatever the machine is.
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
 *
 * console.log(pci.config.read16(0x00).toString(16)); // the vendor
 * console.log(pci.config.decode().capability("pci-express")?.link?.current);
 * console.log(pci.config.describe()); // as lspci -vv
 * pci.config.command.set("intxDisabled", true);
 * ```
 */
export class ConfigSpace {
  static {
    printAs(ConfigSpace, (it) => ({ device: nameOf(it.#device), bytes: it.bytes }));
  }

  /** 256 bytes, or 4096 for PCI Express. */
  readonly bytes: number;
  /** Its command register, by name: `config.command.set("intxDisabled", true)`. */
  readonly command: CommandRegister;
  /** Its status register, by name: `config.status.read().capabilities`. */
  readonly status: StatusRegister;
  readonly #device: VfioDevice;
  readonly #region: RegionInfo;
  readonly #beforeWrite: (offset: number, value: number) => void;

  /** @param beforeWrite throws for a write that must not be. */
  constructor(device: VfioDevice, beforeWrite: (offset: number, value: number) => void = () => undefined) {
    this.#device = device;
    this.#beforeWrite = beforeWrite;
    this.#region = readRegionInfo(device, vfioConstants.VFIO_PCI_CONFIG_REGION_INDEX);
    this.bytes = this.#region.bytes;
    this.command = new CommandRegister(this, nameOf(device));
    this.status = new StatusRegister(this, nameOf(device));
  }

  /**
   * Reads 8 bits.
   * @param offset in bytes from the start of the config space, within it.
   * @throws VfioRangeError `ERR_VFIO_CONFIG_OFFSET`; VfioSystemError; VfioError `ERR_VFIO_SHORT_IO`.
   */
  read8(offset: number): number {
    return this.#view(offset, 1).getUint8(0);
  }

  /** Reads 16 bits at a multiple of 2. Throws as {@link read8}. */
  read16(offset: number): number {
    return this.#view(offset, 2).getUint16(0, true);
  }

  /** Reads 32 bits at a multiple of 4. Throws as {@link read8}. */
  read32(offset: number): number {
    return this.#view(offset, 4).getUint32(0, true);
  }

  /** Reads many bytes at once. Throws as {@link read8}. */
  read(offset: number, bytes: number): Uint8Array {
    this.#check(offset, bytes, 1);
    return readAt(this.#device, this.#region.fileOffset + offset, bytes, this.#name);
  }

  /**
   * Reads all of it at once and decodes header and capabilities. What the device says is taken as data, however
   * wrong; see {@link decodeConfig}. vfio-pci answers some registers itself: the BARs, parts of the command register
   * and of MSI, and it hides capabilities that are not for userspace.
   * @throws VfioSystemError; VfioError `ERR_VFIO_SHORT_IO`.
   */
  decode(): PciConfig {
    return decodeConfig(new ConfigPicture(this.read(0, this.bytes)));
  }

  /**
   * What `lspci -vv -nn` writes about the device, without the names of makers and devices, and with the sizes of its
   * regions, which the kernel knows. Throws as {@link decode}.
   */
  describe(): string {
    const { bdf } = this.#device;
    const regionBytes = Array.from(
      { length: ROM + 1 },
      (_, index) => readRegionInfo(this.#device, index).bytes,
    );
    return this.decode().describe({ ...(bdf === undefined ? {} : { name: bdf }), regionBytes });
  }

  /** Writes 8 bits. Throws as {@link read8}. */
  write8(offset: number, value: number): void {
    this.#write(offset, 1, value, (view) => view.setUint8(0, value));
  }

  /** Writes 16 bits at a multiple of 2. Throws as {@link read8}. */
  write16(offset: number, value: number): void {
    this.#write(offset, 2, value, (view) => view.setUint16(0, value, true));
  }

  /** Writes 32 bits at a multiple of 4. Throws as {@link read8}. */
  write32(offset: number, value: number): void {
    this.#write(offset, 4, value, (view) => view.setUint32(0, value, true));
  }

  get #name(): string {
    return `the config space of ${nameOf(this.#device)}`;
  }

  #view(offset: number, width: Width): DataView {
    this.#check(offset, width, width);
    return new DataView(readAt(this.#device, this.#region.fileOffset + offset, width, this.#name).buffer);
  }

  #write(offset: number, width: Width, value: number, set: (view: DataView) => void): void {
    this.#check(offset, width, width);
    checkValue(value, width);
    this.#beforeWrite(offset, value);
    const bytes = new Uint8Array(width);
    set(new DataView(bytes.buffer));
    writeAt(this.#device, this.#region.fileOffset + offset, bytes, this.#name);
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

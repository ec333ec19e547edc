import { types } from "node:util";
import { VfioRangeError } from "@vfio/ioctl-native";
import { argumentError, printAs, shownValue } from "@vfio/ioctl-native/internal";

/** Input of the capability walkers and decoders: any config space, or a picture of one. */
export interface ConfigReader {
  /** At a byte offset. */
  read8(offset: number): number;
  /** Little-endian, at a multiple of 2. */
  read16(offset: number): number;
  /** Little-endian, at a multiple of 4. */
  read32(offset: number): number;
}

/** A config space whose length is known. */
export interface SizedConfig extends ConfigReader {
  /** The readable length: 256 for PCI, 4096 for PCI Express, 64 for a file that only root may read whole. */
  readonly bytes: number;
}

/** @throws VfioRangeError `ERR_VFIO_ARGUMENT` unless `config` has read functions. */
export function checkConfigReader(config: unknown): void {
  const isReader = typeof config === "object" && config !== null && "read8" in config;
  if (!isReader) throw argumentError("the config space", "a ConfigSpace or ConfigPicture", config);
}

/** A picture of a config space: its bytes from a device, `/sys/bus/pci/devices/…/config` or a dump. */
export class ConfigPicture implements SizedConfig {
  static {
    printAs(ConfigPicture, (it) => ({ bytes: it.bytes }));
  }

  readonly #view: DataView;

  /** @param picture the config space from its first byte; not copied. */
  constructor(picture: Uint8Array) {
    if (!types.isUint8Array(picture)) throw argumentError("the picture", "a Uint8Array", picture);
    this.#view = new DataView(picture.buffer, picture.byteOffset, picture.byteLength);
  }

  get bytes(): number {
    return this.#view.byteLength;
  }

  /** Throws VfioRangeError `ERR_VFIO_CONFIG_OFFSET` outside the picture. */
  read8(offset: number): number {
    this.#check(offset, 1);
    return this.#view.getUint8(offset);
  }

  /** At a multiple of 2. Throws as {@link read8}. */
  read16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, true);
  }

  /** At a multiple of 4. Throws as {@link read8}. */
  read32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, true);
  }

  #check(offset: number, width: number): void {
    const aligned = Number.isInteger(offset) && offset % width === 0;
    if (aligned && offset >= 0 && offset + width <= this.bytes) return;
    throw new VfioRangeError(
      "ERR_VFIO_CONFIG_OFFSET",
      `${width} bytes at offset ${shownValue(offset)} are not in this picture of a config space (${this.bytes} bytes), or not aligned`,
    );
  }
}

import type { ConfigReader } from "./config-reader.js";

/** Thrown inside the decoders only: a capability that leaves its area is kept as raw bytes. */
export class CapabilityOutOfArea extends Error {}

/** One capability's registers, at offsets from its start. */
export class CapabilityView implements ConfigReader {
  readonly #config: ConfigReader;
  readonly #offset: number;
  readonly #end: number;

  /**
   * @param offset of the capability in the config space: a multiple of 4.
   * @param end of its area: 256, 4096, or the end of what can be read.
   */
  constructor(config: ConfigReader, offset: number, end: number) {
    this.#config = config;
    this.#offset = offset;
    this.#end = end;
  }

  read8(at: number): number {
    return this.#config.read8(this.#place(at, 1));
  }

  read16(at: number): number {
    return this.#config.read16(this.#place(at, 2));
  }

  read32(at: number): number {
    return this.#config.read32(this.#place(at, 4));
  }

  /** The first bytes; fewer if the area ends before. */
  raw(bytes: number): Uint8Array {
    const length = Math.min(bytes, this.#end - this.#offset);
    return Uint8Array.from({ length }, (_, at) => this.read8(at));
  }

  #place(at: number, width: number): number {
    if (this.#offset + at + width > this.#end) throw new CapabilityOutOfArea();
    return this.#offset + at;
  }
}

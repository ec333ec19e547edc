/** Consecutive structs for an ioctl in one buffer for all calls: a large memory in small pieces takes thousands. */
export class ReusedStructs {
  /** All structs, as words of 64 bits. */
  readonly quads: BigUint64Array;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  /** The last view: most calls ask for the same. */
  #first: Uint8Array;

  /** @param struct has `argsz`, as VFIO's have, and a size that is a multiple of 8. */
  constructor(
    struct: {
      readonly bytes: number;
      write(buffer: Uint8Array, values: { argsz: number }, at: number): void;
    },
    count: number,
  ) {
    this.#size = struct.bytes;
    this.#bytes = new Uint8Array(count * struct.bytes);
    for (let at = 0; at < this.#bytes.length; at += struct.bytes)
      struct.write(this.#bytes, { argsz: struct.bytes }, at);
    this.quads = new BigUint64Array(this.#bytes.buffer);
    this.#first = this.#bytes;
  }

  first(count: number): Uint8Array {
    if (this.#first.length !== count * this.#size) this.#first = this.#bytes.subarray(0, count * this.#size);
    return this.#first;
  }
}

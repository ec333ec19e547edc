import { HugepageMemory } from "@vfio/dma";
import { systemPageBytes, type LinearMemory, type LinearPlace } from "@vfio/ioctl-native";
import { BLOCK_BYTES, DESCRIPTOR, DONE, type PacketFilter } from "./packet-filter.js";

const PORTS_BYTES = 65536 / 8;

/**
 * A receive ring in DMA memory that lies in a `LinearMemory`. Here no device writes into it: {@link receive} does what
 * one would.
 */
export class FrameRing implements Disposable {
  readonly #dmaMemory: HugepageMemory;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where its parts begin. */
  readonly blocks: number;
  readonly ports: number;
  readonly descriptors: number;

  /** @param slots a power of two. */
  constructor(
    memory: LinearMemory,
    readonly slots: number,
  ) {
    const bytes = slots * BLOCK_BYTES + PORTS_BYTES + slots * DESCRIPTOR.bytes;
    this.#dmaMemory = HugepageMemory.allocate({ bytes, pageBytes: systemPageBytes(), within: memory });
    const { address } = placeOf(this.#dmaMemory);
    this.blocks = address;
    this.ports = address + slots * BLOCK_BYTES;
    this.descriptors = this.ports + PORTS_BYTES;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** Frames to this port are wanted. */
  want(port: number): void {
    const at = this.ports + (port >> 3);
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (1 << (port & 7));
  }

  /** As a device does: first the frame and its length, then the status. */
  receive(slot: number, frame: Uint8Array, length = frame.length): void {
    const descriptor = this.descriptors + slot * DESCRIPTOR.bytes;
    this.#bytes.set(frame.subarray(0, BLOCK_BYTES), this.blocks + slot * BLOCK_BYTES);
    this.#view.setUint32(descriptor + DESCRIPTOR.length, length, true);
    this.#finish(slot);
  }

  /** As if the device had written the same frames once more. */
  receiveAgain(): void {
    for (let slot = 0; slot < this.slots; slot++) this.#finish(slot);
  }

  /** Lets a filter judge what is there. @returns how many frames. */
  judge(filter: PacketFilter, first = 0): number {
    return filter.filterRing(this.descriptors, this.slots, this.blocks, this.ports, first);
  }

  /** The verdict that is written into a descriptor; 0 if none is yet. */
  verdictOf(slot: number): number {
    return this.#view.getUint8(this.descriptors + slot * DESCRIPTOR.bytes + DESCRIPTOR.verdict);
  }

  #finish(slot: number): void {
    const descriptor = this.descriptors + slot * DESCRIPTOR.bytes;
    this.#bytes[descriptor + DESCRIPTOR.verdict] = 0;
    Atomics.store(this.#bytes, descriptor + DESCRIPTOR.status, DONE);
  }

  close(): void {
    this.#dmaMemory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function placeOf({ place }: HugepageMemory): LinearPlace {
  if (place === undefined) throw new TypeError("the memory lies in no LinearMemory");
  return place;
}

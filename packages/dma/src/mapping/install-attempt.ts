import { setImmediate } from "node:timers/promises";
import { type Extent, type AddressSpace } from "@vfio/ioctl-native";
import { clip } from "@vfio/ioctl-native/internal";
import type { DmaMapping } from "./dma-mapping.js";
import { answerError } from "./install-errors.js";

export class InstallAttempt {
  readonly done: Extent[] = [];

  /** @param isNew false if the mapping comes back to where it was. */
  constructor(
    readonly mapping: DmaMapping,
    readonly isNew: boolean,
    readonly extents: readonly Extent[],
  ) {}

  run(space: AddressSpace): void {
    for (const extent of this.extents)
      for (let at = 0; at < extent.bytes;) {
        const rest = restOf(extent, at);
        at += this.#note(rest, this.#mapSome(space, rest));
      }
  }

  /** @param check throws to stop; called before each piece, and at the end. */
  async runAsync(space: AddressSpace, check: () => void): Promise<void> {
    for (const extent of this.extents)
      for (let at = 0; at < extent.bytes;) {
        check();
        const rest = restOf(extent, at);
        at += this.#note(rest, await this.#mapSomeAsync(space, rest));
      }
    check();
  }

  #note(rest: Extent, bytes: number): number {
    const isAnswer = bytes > 0 && bytes <= rest.bytes;
    this.done.push(isAnswer ? { offset: rest.offset, iova: rest.iova, bytes } : rest);
    if (!isAnswer) throw answerError(rest, bytes);
    return bytes;
  }

  /** Maps at least one piece. @returns the number of bytes mapped. */
  #mapSome(space: AddressSpace, { offset, iova, bytes }: Extent): number {
    const { memory, plan } = this.mapping;
    return space.map(memory, offset, bytes, iova, plan.access, plan.pieceBytes);
  }

  async #mapSomeAsync(space: AddressSpace, rest: Extent): Promise<number> {
    const { memory, plan } = this.mapping;
    if (space.mapAsync !== undefined)
      return space.mapAsync(memory, rest.offset, rest.bytes, rest.iova, plan.access, plan.pieceBytes);
    const bytes = this.#mapSome(space, rest);
    // Others get their turn at least between two pieces.
    await setImmediate();
    return bytes;
  }
}

function restOf(extent: Extent, from: number): Extent {
  return from === 0 ? extent : clip(extent, extent.offset + from, extent.offset + extent.bytes);
}

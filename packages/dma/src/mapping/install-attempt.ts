import { setImmediate } from "node:timers/promises";
import { bigIntOf, clip, type Extent } from "@vfio/ioctl-native";
import type { DmaMapping } from "./dma-mapping.js";
import { answerError } from "./install-errors.js";
import type { Iommu } from "../spaces/iommu.js";

/** A mapping on its way into the IOMMU, extent by extent. */
export class InstallAttempt {
  /** What is mapped already: what has to be undone after a failure. */
  readonly done: Extent[] = [];

  /** @param isNew false if the mapping comes back to where it was. */
  constructor(
    readonly mapping: DmaMapping,
    readonly isNew: boolean,
    readonly extents: readonly Extent[],
  ) {}

  /** Maps everything, or as much as it can before it throws. */
  run(iommu: Iommu): void {
    for (const extent of this.extents)
      for (let at = 0; at < extent.bytes;) {
        const rest = restOf(extent, at);
        at += this.#note(rest, this.#mapSome(iommu, rest));
      }
  }

  /**
   * As {@link run}, off the event loop.
   * @param check throws if it is not to go on; called before each piece, and at the end.
   */
  async runAsync(iommu: Iommu, check: () => void): Promise<void> {
    for (const extent of this.extents)
      for (let at = 0; at < extent.bytes;) {
        check();
        const rest = restOf(extent, at);
        at += this.#note(rest, await this.#mapPieceAsync(iommu, rest));
      }
    check();
  }

  /** Notes each part as soon as it is mapped. */
  #note(rest: Extent, bytes: number): number {
    const isAnswer = bytes > 0 && bytes <= rest.bytes;
    this.done.push(isAnswer ? { offset: rest.offset, iova: rest.iova, bytes } : rest);
    if (!isAnswer) throw answerError(rest, bytes);
    return bytes;
  }

  /** Maps one piece at least, and returns how many bytes it were. */
  #mapSome(iommu: Iommu, { offset, iova, bytes }: Extent): number {
    const { memory, plan } = this.mapping;
    const { access, pieceBytes = bytes } = plan;
    const address = memory.address + bigIntOf(offset);
    const wanted = memory.bytes - offset;
    if (bytes > pieceBytes && iommu.mapPieces !== undefined)
      return iommu.mapPieces(address, iova, bytes, access, pieceBytes, wanted);
    const piece = Math.min(bytes, pieceBytes);
    iommu.map(address, iova, piece, access, wanted);
    return piece;
  }

  async #mapPieceAsync(iommu: Iommu, { offset, iova, bytes }: Extent): Promise<number> {
    const { memory, plan } = this.mapping;
    const address = memory.address + bigIntOf(offset);
    const piece = Math.min(bytes, plan.pieceBytes ?? bytes);
    const wanted = memory.bytes - offset;
    if (iommu.mapAsync !== undefined) await iommu.mapAsync(address, iova, piece, plan.access, wanted);
    else {
      iommu.map(address, iova, piece, plan.access, wanted);
      // At least between two pieces, others get their turn.
      await setImmediate();
    }
    return piece;
  }
}

function restOf(extent: Extent, from: number): Extent {
  return from === 0 ? extent : clip(extent, extent.offset + from, extent.offset + extent.bytes);
}

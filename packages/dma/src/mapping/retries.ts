import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { bigIntOf, sameRanges } from "@vfio/ioctl-native/internal";
import { hasCode } from "../has-code.js";
import type { IovaAllocator } from "../iova/iova-allocator.js";

/** So many addresses are tried one behind the other; then the steps double, so that a large obstacle takes few. */
const SINGLE_STEPS = 16;
/** So many at most once nothing else is left. Each costs one ioctl, which fails before a page is pinned. */
const LAST_STEPS = 512;

/** Whether a map that failed is worth another attempt, and how far it goes from where somebody else's mapping is. */
export class Retries {
  #steps = 0;
  /** True if another address is to be had after the attempt that failed last. */
  #hasStepped = false;
  #isLastSearch = false;
  #hasAsked = false;

  /**
   * How much is left out of the choice, from the start of a piece on that somebody else has a part of: all of the piece
   * at first; in the end no more than it takes to try each place.
   */
  stepOver(pieceBytes: number, alignment: number): bigint {
    this.#steps++;
    this.#hasStepped = true;
    if (this.#isLastSearch) return bigIntOf(alignment);
    return bigIntOf(pieceBytes) << bigIntOf(Math.min(Math.max(this.#steps - SINGLE_STEPS, 0), 64));
  }

  /**
   * @param before what the attempt took the IOMMU's rules to be.
   * @param refresh asks for them anew.
   */
  areWorthIt(
    error: unknown,
    before: IommuInfo,
    allocator: IovaAllocator,
    refresh: () => IommuInfo | undefined,
  ): boolean {
    if (hasCode(error, "ERR_VFIO_GROUPS_CHANGED")) return true;
    if (hasCode(error, "EEXIST")) return this.#hasSteppedOver();
    if (mayBeOutdated(error) && this.#isOutdated(before, refresh)) return true;
    return hasCode(error, "ERR_VFIO_IOVA_EXHAUSTED") && this.#beginLastSearch(allocator);
  }

  #hasSteppedOver(): boolean {
    const hasStepped = this.#hasStepped;
    this.#hasStepped = false;
    return hasStepped && this.#steps < LAST_STEPS;
  }

  /** What the IOMMU can do is asked once and not for every mapping, so it may have changed with the groups. */
  #isOutdated(before: IommuInfo, refresh: () => IommuInfo | undefined): boolean {
    if (this.#hasAsked) return false;
    this.#hasAsked = true;
    const now = refresh();
    return now === undefined || !sameRules(now, before);
  }

  /** More was left out than was seen to be taken, and it may be free again. */
  #beginLastSearch(allocator: IovaAllocator): boolean {
    if (this.#isLastSearch) return false;
    this.#isLastSearch = true;
    this.#steps = 0;
    return allocator.forgetAvoided();
  }
}

/** True for what may be owed to rules that have changed since they were read. */
function mayBeOutdated(error: unknown): boolean {
  return ["EINVAL", "ERR_VFIO_IOVA_OUT_OF_RANGE", "ERR_VFIO_IOVA_EXHAUSTED"].some((code) =>
    hasCode(error, code),
  );
}

/** The number of mappings left, which changes all the time, is no rule. */
function sameRules(one: IommuInfo, other: IommuInfo): boolean {
  return one.smallestPage === other.smallestPage && sameRanges(one.iovaRanges ?? [], other.iovaRanges ?? []);
}

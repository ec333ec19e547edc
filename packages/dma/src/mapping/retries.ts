import type { IommuInfo } from "@vfio/ioctl-native/vfio";
import { bigIntOf, sameRanges } from "@vfio/ioctl-native/internal";
import { hasCode } from "../has-code.js";
import type { IovaAllocator } from "../iova/iova-allocator.js";

/** The number of addresses tried one after the other; then the steps double, so that a large obstacle takes few. */
const SINGLE_STEPS = 16;
/** The most attempts once nothing else is left. Each costs one ioctl, which fails before a page is pinned. */
const LAST_STEPS = 512;

/** Whether a failed map is worth another attempt, and how far the next one steps over another program's mapping. */
export class Retries {
  #steps = 0;
  /** True if the last failed attempt left another address to try. */
  #hasStepped = false;
  #isLastSearch = false;
  #hasAsked = false;

  /**
   * How many bytes to leave out, from the start of a piece that another program's mapping overlaps: all of the piece at
   * first, in the end only as much as it takes to try each place.
   */
  stepOver(pieceBytes: number, alignment: number): bigint {
    this.#steps++;
    this.#hasStepped = true;
    if (this.#isLastSearch) return bigIntOf(alignment);
    return bigIntOf(pieceBytes) << bigIntOf(Math.min(Math.max(this.#steps - SINGLE_STEPS, 0), 64));
  }

  /**
   * @param before the IOMMU's rules as the attempt knew them.
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

  /** The IOMMU's rules are read once, not for every mapping, so they may have changed with the groups. */
  #isOutdated(before: IommuInfo, refresh: () => IommuInfo | undefined): boolean {
    if (this.#hasAsked) return false;
    this.#hasAsked = true;
    const now = refresh();
    return now === undefined || !sameRules(now, before);
  }

  /** More was left out than was seen to be taken: that may be free. */
  #beginLastSearch(allocator: IovaAllocator): boolean {
    if (this.#isLastSearch) return false;
    this.#isLastSearch = true;
    this.#steps = 0;
    return allocator.forgetAvoided();
  }
}

function mayBeOutdated(error: unknown): boolean {
  return ["EINVAL", "ERR_VFIO_IOVA_OUT_OF_RANGE", "ERR_VFIO_IOVA_EXHAUSTED"].some((code) =>
    hasCode(error, code),
  );
}

/** Ignores the number of mappings left, which changes all the time. */
function sameRules(one: IommuInfo, other: IommuInfo): boolean {
  return one.smallestPage === other.smallestPage && sameRanges(one.iovaRanges ?? [], other.iovaRanges ?? []);
}

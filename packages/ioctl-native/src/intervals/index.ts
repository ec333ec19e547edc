export { firstFrom } from "./bisect.js";
export { clip, extentsOfPages, joinAdjacent, sameExtent, type Extent } from "./extent.js";
export {
  bytesOf,
  common,
  formatAddress,
  formatRange,
  isWithin,
  overlaps,
  rangeOf,
  sameRanges,
  without,
  type IovaRange,
} from "./range.js";
export { RangeList } from "./range-list.js";
export { RangeSet } from "./range-set.js";
export { bigIntOf, HIGH_WORD, LOW_WORD } from "./words64.js";

import type { MappableArea, RegionInfo } from "@vfio/ioctl-native/vfio";

/** `mmap` takes whole pages: 4 KiB on x86; elsewhere up to 64 KiB, as the kernel was built. */
const PAGE = process.arch === "x64" ? 0x1000 : 0x10000;

/**
 * The parts of a region that may be mapped, in order: all that the kernel offers, without pages that hold something
 * else.
 * @param keepOut the MSI-X table, which must not be mapped.
 */
export function mappableWindows(
  { bytes, mappable, sparseAreas }: Pick<RegionInfo, "bytes" | "mappable" | "sparseAreas">,
  keepOut?: MappableArea,
): MappableArea[] {
  if (!mappable) return [];
  const offered = (sparseAreas ?? [{ offset: 0, bytes }]).map((area) => wholePages(area, bytes));
  const allowed = keepOut === undefined ? offered : offered.flatMap((area) => without(area, keepOut));
  return allowed.filter((area) => area.bytes > 0).sort((a, b) => a.offset - b.offset);
}

/** Only the region's own end may lie within a page: nothing is beyond it. */
function wholePages({ offset, bytes }: MappableArea, regionBytes: number): MappableArea {
  const start = pageAfter(offset);
  const end = Math.min(offset + bytes, regionBytes);
  return between(start, end === regionBytes ? end : pageBefore(end));
}

function without(area: MappableArea, keepOut: MappableArea): MappableArea[] {
  const end = area.offset + area.bytes;
  const from = Math.min(end, Math.max(area.offset, pageBefore(keepOut.offset)));
  const to = Math.max(area.offset, Math.min(end, pageAfter(keepOut.offset + keepOut.bytes)));
  return [between(area.offset, from), between(to, end)];
}

function between(start: number, end: number): MappableArea {
  return { offset: start, bytes: Math.max(0, end - start) };
}

function pageBefore(offset: number): number {
  return Math.floor(offset / PAGE) * PAGE;
}

function pageAfter(offset: number): number {
  return Math.ceil(offset / PAGE) * PAGE;
}
